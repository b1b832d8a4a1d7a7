#include "common/option/option_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "common/option/suggest.h"

namespace fl {

Status set_option(const OptionSpec& spec, void* options, std::string_view text) {
  const auto& choices = spec.choices;
  if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
    std::string known = did_you_mean(text, choices);
    if (known.empty()) {
      known = " (known: " + join(choices, ", ") + ")";
    }
    return Error{ErrorClass::usage, fmt::format("unknown value '{}'{}", text, known)};
  }
  return spec.set(options, text);
}

std::vector<std::string> default_values(const OptionSet& set) {
  const std::shared_ptr<void> options = set.make();
  std::vector<std::string> values;
  values.reserve(set.options.size());
  for (const OptionSpec& spec : set.options) {
    values.push_back(spec.get(options.get()));
  }
  return values;
}

bool is_on_command_line(const OptionSpec& spec) { return spec.ignored_reason.empty(); }

bool takes_the_rest(const OptionSpec& spec) { return spec.is_positional && spec.is_repeated; }

}  // namespace fl
