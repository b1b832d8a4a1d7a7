#include "common/option/command_text.h"

#include <algorithm>

#include "common/option/option_values.h"

namespace fl {
namespace {

// A positional is written in its usual place, if the command line would take it there.
bool can_stand_alone(const OptionSpec& spec, const std::vector<std::string>& values) {
  return spec.is_positional && spec.pair_key.empty() && values.size() == 1 && !spec.is_repeated &&
         !values.front().empty() && values.front().front() != '-' && values.front() != "+";
}

std::string words_of(const OptionSpec& spec, const std::string& value) {
  if (spec.is_flag) {
    return " --" + spec.name + (value == "true" ? "" : "=" + value);
  }
  const bool needs_equals = value.empty() || value.front() == '-' || value == "+";
  return " --" + spec.name + (needs_equals ? "=" : " ") +
         (value.empty() ? std::string() : shell_quoted(value));
}

}  // namespace

std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(word);
  }
  std::string out = "'";
  for (const char c : word) {
    out += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return out + "'";
}

std::string command_text(std::string_view command, const std::vector<Binding>& bindings,
                         const std::vector<std::string>& left_out) {
  std::string arguments;
  std::string options;
  bool in_place = true;  // no positional before this one was left out
  for (const Binding& binding : bindings) {
    const std::shared_ptr<void> defaults = binding.set->make();
    for (const OptionSpec& spec : binding.set->options) {
      if (!is_on_command_line(spec) ||
          std::find(left_out.begin(), left_out.end(), spec.key) != left_out.end()) {
        continue;
      }
      const std::vector<std::string> values = spec.get_all(binding.options);
      const bool is_shown = spec.is_required || values != spec.get_all(defaults.get());
      in_place = in_place && (!spec.is_positional || (is_shown && can_stand_alone(spec, values)));
      if (is_shown && spec.is_positional && in_place) {
        arguments += " " + shell_quoted(values.front());
      } else if (is_shown) {
        for (const std::string& value : values) {
          options += words_of(spec, value);
        }
      }
    }
  }
  return std::string(command) + arguments + options + "\n";
}

}  // namespace fl
