#include "common/option/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "common/base/text.h"
#include "common/option/suggest.h"

namespace fl {

namespace {

bool same_in_any_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

Status set_option(const OptionSpec& spec, void* options, std::string_view text) {
  const auto& choices = spec.choices;
  if (choices.empty()) {
    return spec.set(options, text);
  }
  for (const auto& [alias, choice] : spec.choice_aliases) {
    if (alias == text) {
      return spec.set(options, choice);
    }
  }
  const auto chosen = std::find_if(choices.begin(), choices.end(), [&](const std::string& choice) {
    return same_in_any_case(choice, text);
  });
  if (chosen == choices.end()) {
    std::string known = did_you_mean(text, choices);
    if (known.empty()) {
      known = " (known: " + join(choices, ", ") + ")";
    }
    return Error{ErrorClass::usage, fmt::format("unknown value '{}'{}", text, known)};
  }
  return spec.set(options, *chosen);
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
