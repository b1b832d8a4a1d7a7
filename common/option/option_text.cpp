#include "common/option/option_text.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/option/option_values.h"

namespace fl {
namespace {

constexpr std::size_t kLineWidth = 80;
constexpr std::size_t kHelpColumn = 28;
constexpr std::size_t kWidestChoices = 34;

// What stands for the value: the choices if they are short.
std::string value_name(const OptionSpec& spec) {
  const std::string choices = join(spec.choices, "|");
  return choices.empty() || choices.size() > kWidestChoices ? spec.metavar : choices;
}

// True if the value's name leaves no choice unsaid.
bool shows_choices(const OptionSpec& spec) {
  return spec.choices.empty() || value_name(spec) == join(spec.choices, "|");
}

std::string option_term(const OptionSpec& spec) {
  std::string term = "--" + spec.name;
  for (const std::string& alias : spec.aliases) {
    term += ", " + dashed(alias);
  }
  if (!spec.is_flag) {
    term += " " + value_name(spec);
  }
  return term;
}

std::string shown_default(const OptionSpec& spec, const std::string& value) {
  if (spec.is_required || (spec.is_flag && value == "false")) {
    return {};
  }
  return value;
}

std::string help_text(const OptionSpec& spec, const std::string& default_value) {
  std::string text = spec.help;
  if (!shows_choices(spec)) {
    text += " One of " + join(spec.choices, ", ") + ".";
  }
  if (spec.is_required) {
    text += " Required.";
  }
  if (spec.is_repeated && !spec.is_positional) {
    text += " May be given several times.";
  }
  const std::string shown = shown_default(spec, default_value);
  if (!shown.empty()) {
    text += " [" + shown + "]";
  }
  return text;
}

std::string help_entry(const std::string& term, const std::string& text) {
  std::string out = "  " + term;
  if (out.size() + 2 > kHelpColumn) {
    out += '\n';
    out.append(kHelpColumn, ' ');
  } else {
    out.append(kHelpColumn - out.size(), ' ');
  }
  bool first = true;
  for (const std::string& line : wrapped(text, kLineWidth - kHelpColumn)) {
    if (!first) {
      out += '\n';
      out.append(kHelpColumn, ' ');
    }
    out += line;
    first = false;
  }
  return out + "\n";
}

std::string flume_text(const OptionSpec& spec) {
  if (spec.is_cli_only) {
    return {};
  }
  std::string text =
      " Property: _" + scdoc_escaped(spec.key + (spec.is_prefix ? ".NAME" : "")) + "_";
  for (std::size_t i = 0; i < spec.parts.size(); ++i) {
    text += i == 0 ? ", a list of names, each with " : ", ";
    const std::string part = spec.parts[i].empty() ? "" : "." + spec.parts[i];
    text += "_" + scdoc_escaped(spec.key + ".NAME" + part) + "_";
  }
  if (!spec.flume_default.empty()) {
    text += ", default " + scdoc_escaped(spec.flume_default);
  }
  if (spec.flume_unit == "ms") {
    text += ", a bare number is milliseconds";
  }
  return text + ".";
}

std::string page_term(const OptionSpec& spec) {
  std::string term = "*--" + scdoc_escaped(spec.name) + "*";
  for (const std::string& alias : spec.aliases) {
    term += ", *" + scdoc_escaped(dashed(alias)) + "*";
  }
  if (!spec.is_flag) {
    term += " _" + scdoc_escaped(value_name(spec)) + "_";
  }
  return spec.is_positional ? "_" + scdoc_escaped(spec.metavar) + "_, " + term : term;
}

std::string page_text(const OptionSpec& spec, const std::string& default_value) {
  std::string text = scdoc_escaped(spec.help);
  if (!shows_choices(spec)) {
    text += " One of " + scdoc_escaped(join(spec.choices, ", ")) + ".";
  }
  if (spec.is_required) {
    text += " Required.";
  }
  if (spec.is_repeated && !spec.is_positional) {
    text += " May be given several times.";
  }
  const std::string shown = shown_default(spec, default_value);
  if (!shown.empty()) {
    text += " Default: *" + scdoc_escaped(shown) + "*.";
  }
  return text + flume_text(spec);
}

std::string json_strings(const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  quoted.reserve(values.size());
  for (const std::string& value : values) {
    quoted.push_back(json_quoted(value));
  }
  return "[" + join(quoted, ",") + "]";
}

std::string json_object(const OptionSpec& spec, const std::string& default_value) {
  return fmt::format(
      R"({{"name":{},"key":{},"metavar":{},"help":{},"default":{},"flume_default":{},)"
      R"("flume_unit":{},"choices":{},"aliases":{},"flag":{},"required":{},"positional":{},)"
      R"("repeated":{},"parts":{},"cli_only":{},"flume_only":{},"secret":{},"prefix":{},"path":{},"refuses_empty":{},"ignored":{}}})",
      json_quoted(spec.name), json_quoted(spec.key), json_quoted(spec.metavar),
      json_quoted(spec.help), json_quoted(default_value), json_quoted(spec.flume_default),
      json_quoted(spec.flume_unit), json_strings(spec.choices), json_strings(spec.aliases),
      spec.is_flag, spec.is_required, spec.is_positional, spec.is_repeated,
      json_strings(spec.parts), spec.is_cli_only, spec.is_flume_only, spec.is_secret,
      spec.is_prefix, spec.is_path, spec.refuses_empty, json_quoted(spec.ignored_reason));
}

// Calls `visit(spec, default)` for each option that the command line has.
template <typename Visit>
void for_each_visible(const OptionSet& set, Visit visit) {
  const std::vector<std::string> defaults = default_values(set);
  for (std::size_t i = 0; i < set.options.size(); ++i) {
    if (is_on_command_line(set.options[i])) {
      visit(set.options[i], defaults[i]);
    }
  }
}

}  // namespace

std::string synopsis(const OptionSet& set) {
  std::string out = "[OPTION]...";
  for (const OptionSpec& spec : set.options) {
    if (!spec.is_positional || !is_on_command_line(spec)) {
      continue;
    }
    const std::string more = spec.is_repeated ? "..." : "";
    if (spec.follows_dashes) {
      const std::string words = "-- " + spec.metavar + more;
      out += spec.is_required ? " " + words : " [" + words + "]";
    } else {
      out += (spec.is_required ? " " + spec.metavar : " [" + spec.metavar + "]") + more;
    }
  }
  return out;
}

std::string help_list(const OptionSet& set) {
  std::string arguments;
  std::string options;
  for_each_visible(set, [&](const OptionSpec& spec, const std::string& default_value) {
    const std::string text = help_text(spec, default_value);
    if (spec.is_positional) {
      arguments += help_entry(spec.metavar + ", " + option_term(spec), text);
    } else {
      options += help_entry(option_term(spec), text);
    }
  });
  return arguments + options;
}

std::string page_list(const OptionSet& set) {
  std::string out;
  for_each_visible(set, [&](const OptionSpec& spec, const std::string& default_value) {
    out += page_term(spec) + "\n\t" + page_text(spec, default_value) + "\n\n";
  });
  return out;
}

std::string json_list(const OptionSet& set) {
  std::vector<std::string> objects;
  const std::vector<std::string> defaults = default_values(set);
  for (std::size_t i = 0; i < set.options.size(); ++i) {
    objects.push_back(json_object(set.options[i], defaults[i]));
  }
  return "[" + join(objects, ",\n ") + "]";
}

std::string scdoc_escaped(std::string_view text) {
  constexpr std::string_view kSpecial = "\\*_#[]|`~.;+";
  std::string out;
  for (const char c : text) {
    const bool begins_line = out.empty() || out.back() == '\n';  // there '-' begins a list
    if (kSpecial.find(c) != std::string_view::npos || (c == '-' && begins_line)) {
      out += '\\';
    }
    out += c;
  }
  return out;
}

}  // namespace fl
