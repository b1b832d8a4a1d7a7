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
    // Where something else is meant often, a hint says so: then no choice is proposed.
    std::string known = spec.hint.empty() ? did_you_mean(text, choices) : std::string();
    if (known.empty()) {
      known = " (known: " + join(choices, ", ") + ")";
    }
    return Error{ErrorClass::usage, fmt::format("unknown value '{}'{}", text, known)};
  }
  return spec.set(options, *chosen);
}

Status check_empty(const OptionSpec& spec, std::string_view text) {
  if (!text.empty() || !spec.refuses_empty) {
    return {};
  }
  return Error{ErrorClass::usage, spec.is_path ? "the path is empty" : "the value is empty",
               spec.is_required ? "a variable that is not set?"
                                : "a variable that is not set? Without the option its default "
                                  "counts"};
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

std::string dashed(const std::string& name) { return (name.size() == 1 ? "-" : "--") + name; }

bool is_on_command_line(const OptionSpec& spec) {
  return spec.ignored_reason.empty() && !spec.is_flume_only;
}

std::vector<std::string> split_parts(std::string_view text, std::size_t count) {
  std::vector<std::string> parts(count);
  std::size_t part = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (part + 1 == count) {
      parts[part] = text.substr(i);
      break;
    }
    if (text[i] == ':') {
      ++part;
      continue;
    }
    if (text.substr(i, 2) == "\\:") {
      ++i;
    }
    parts[part] += text[i];
  }
  return parts;
}

std::string join_parts(const std::vector<std::string>& parts) {
  std::size_t used = parts.size();
  while (used > 0 && parts[used - 1].empty()) {
    --used;
  }
  std::string text;
  for (std::size_t i = 0; i < used; ++i) {
    text += i > 0 ? ":" : "";
    for (const char c : parts[i]) {
      text += c == ':' && i + 1 < parts.size() ? "\\" : "";
      text += c;
    }
  }
  return text;
}

bool takes_the_rest(const OptionSpec& spec) { return spec.is_positional && spec.is_repeated; }

}  // namespace fl
