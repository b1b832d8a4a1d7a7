#include "common/tool/tool_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/exit_status.h"
#include "common/base/text.h"
#include "common/component/stage_options.h"
#include "common/option/option_text.h"
#include "common/option/option_values.h"

namespace fl {
namespace {

constexpr std::size_t kLineWidth = 80;

constexpr std::string_view kCommandHelp =
    "  -h, --help                Show this text.\n"
    "  --version                 Show the version.\n";

constexpr std::string_view kCommonHelp =
    "  -h, --help                Show this text.\n"
    "  --help-all                Also show the options of every stage.\n"
    "  --version                 Show the version.\n";

// fl-intercept takes several components in one process.
bool takes_chains(const Tool& tool) { return tool.kind == ComponentKind::interceptor; }

std::string usage_line(const Tool& tool) {
  return takes_chains(tool)
             ? fmt::format("usage: {} [OPTION]... TYPE [OPTION]... [+ TYPE [OPTION]...]...\n",
                           tool.name)
             : fmt::format("usage: {} [OPTION]... TYPE [OPTION]... [ARGUMENT]...\n", tool.name);
}

std::string examples_help(const std::vector<Example>& examples) {
  std::string out;
  for (const Example& example : examples) {
    out += "  " + example.command + "\n      " + example.text + "\n";
  }
  return out.empty() ? out : "\nExamples:\n" + out;
}

std::string paragraph(std::string_view text) {
  return join(wrapped(text, kLineWidth), "\n") + "\n";
}

std::string sentence(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z') {
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  }
  return text + ".";
}

std::string escaped_paragraphs(std::string_view text) { return scdoc_escaped(text) + "\n\n"; }

// Between fences scdoc takes the text as it is, except for backslashes.
std::string examples_page(const std::vector<Example>& examples) {
  std::string out;
  for (const Example& example : examples) {
    out += scdoc_escaped(example.text) + "\n\n```\n";
    for (const char c : example.command) {
      out += c == '\\' ? "\\\\" : std::string(1, c);
    }
    out += "\n```\n\n";
  }
  return out;
}

std::string exit_status_page() {
  std::string out;
  for (const ExitStatus& status : exit_statuses()) {
    out += fmt::format("*{}*\n\t{}\n\n", status.number,
                       scdoc_escaped(sentence(std::string(status.meaning))));
  }
  return out;
}

std::string common_options_page() {
  return "*-h*, *--help*\n\tShow the help.\n\n*--help-all*\n\tShow the help of a TYPE with the "
         "options of every stage.\n\n*--version*\n\tShow the version.\n\n";
}

std::string page_head(const std::string& name) {
  return fmt::format("{}(1) \"fl {}\" \"fl manual\"\n\n", name, FL_VERSION);
}

std::string components_page(const Tool& tool, const std::vector<Listed>& list) {
  std::string out;
  for (const Listed& entry : list) {
    out +=
        fmt::format("*{}*\n\t{} See *{}-{}*(1).\n\n", scdoc_escaped(entry.name),
                    scdoc_escaped(sentence(entry.summary)), tool.name, scdoc_escaped(entry.name));
  }
  return out;
}

std::vector<Listed> with_commands(const Tool& tool, std::vector<Listed> list) {
  for (const CommandType& command : *tool.commands) {
    list.push_back({command.name, command.summary});
  }
  return list;
}

// A subcommand is in no Flume file.
OptionSet own_options(const CommandType& command) {
  OptionSet set = command.options;
  for (OptionSpec& spec : set.options) {
    spec.is_cli_only = true;
  }
  return set;
}

std::string also_called(const ComponentType& type) {
  std::string out;
  if (!type.aliases.empty()) {
    out += "Also called *" + scdoc_escaped(join(type.aliases, ", ")) + "*. ";
  }
  if (!type.class_names.empty()) {
    out += "In a Flume file: _" + scdoc_escaped(type.name) + "_ or _" +
           scdoc_escaped(join(type.class_names, ", ")) + "_.";
  }
  return out.empty() ? out : out + "\n\n";
}

std::string option_names(const OptionSet& set) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : set.options) {
    if (is_on_command_line(spec)) {
      names.push_back("--" + spec.name);
      for (const std::string& alias : spec.aliases) {
        names.push_back(dashed(alias));
      }
    }
  }
  return join(names, " ");
}

// Arms of `case "$2"`, the option before the cursor, for options with a value. Where `files` stays
// set, bash offers paths.
std::string value_arms(const OptionSet& set, std::string_view indent) {
  std::string out;
  for (const OptionSpec& spec : set.options) {
    if (spec.is_flag || !is_on_command_line(spec)) {
      continue;
    }
    std::vector<std::string> names = {dashed(spec.name)};
    for (const std::string& alias : spec.aliases) {
      names.push_back(dashed(alias));
    }
    out += fmt::format("{}{}) words='{}'{}; return ;;\n", indent, join(names, "|"),
                       join(spec.choices, " "), spec.is_path ? "" : " files=");
  }
  return out;
}

// Whether an argument of the component is a path, or a file of a list of them.
bool takes_paths(const OptionSet& set) {
  return std::any_of(set.options.begin(), set.options.end(), [](const OptionSpec& spec) {
    return spec.is_positional && spec.is_path && is_on_command_line(spec);
  });
}

// The lines of the completion's `case` for a component or a subcommand. `own_only`: without the
// options of every stage.
std::string arm(const std::vector<std::string>& names, const OptionSet& set, bool own_only) {
  const std::string values = value_arms(set, "        ");
  return fmt::format("    {})\n{}      words=\"{}{}\"{} ;;\n", join(names, "|"),
                     values.empty() ? "" : "      case \"$2\" in\n" + values + "      esac\n",
                     own_only ? "--help --version " : "$words ", option_names(set),
                     takes_paths(set) ? "; [[ $3 == -* ]] || words=''" : "");
}

OptionSet joined(OptionSet set, const OptionSet& more) {
  set.options.insert(set.options.end(), more.options.begin(), more.options.end());
  return set;
}

void replace_all(std::string& text, std::string_view mark, std::string_view by) {
  for (std::size_t at = text.find(mark); at != std::string::npos;
       at = text.find(mark, at + by.size())) {
    text.replace(at, mark.size(), by);
  }
}

std::string_view name_of(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::source:
      return "source";
    case ComponentKind::interceptor:
      return "interceptor";
    case ComponentKind::channel:
      return "channel";
    case ComponentKind::sink:
      return "sink";
  }
  return "sink";
}

std::string json_strings(const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  for (const std::string& value : values) {
    quoted.push_back(json_quoted(value));
  }
  return "[" + join(quoted, ",") + "]";
}

std::string json_examples(const std::vector<Example>& examples) {
  std::vector<std::string> objects;
  for (const Example& example : examples) {
    objects.push_back(fmt::format(R"({{"command":{},"text":{}}})", json_quoted(example.command),
                                  json_quoted(example.text)));
  }
  return "[" + join(objects, ",") + "]";
}

std::string json_component(const ComponentType& type) {
  return fmt::format(
      R"({{"name":{},"kind":{},"aliases":{},"class_names":{},"summary":{},"examples":{},)"
      "\n \"options\":{}}}",
      json_quoted(type.name), json_quoted(name_of(type.kind)), json_strings(type.aliases),
      json_strings(type.class_names), json_quoted(type.summary), json_examples(type.examples),
      json_list(type.options));
}

// The commands of a line of shell, without redirections.
std::vector<std::string> commands_of(std::string_view line) {
  std::vector<std::string> commands(1);
  char quote = 0;
  for (const char c : line) {
    if (quote == 0 && std::string_view("|;&<>").find(c) != std::string_view::npos) {
      commands.emplace_back();
      continue;
    }
    if (c == '\'' || c == '"') {
      quote = quote == 0 ? c : quote == c ? '\0' : quote;
    }
    commands.back() += c;
  }
  return commands;
}

}  // namespace

std::string version_text(const Tool& tool) {
  return fmt::format("{} (fl {})\n", tool.name, FL_VERSION);
}

std::string short_help(const Tool& tool) {
  std::string out = usage_line(tool);
  for (const Example& example : tool.examples) {
    out += "  " + example.command + "\n";
  }
  return out + fmt::format("'{0} list' shows the types, '{0} --help' the usage\n", tool.name);
}

std::string tool_help(const Tool& tool, const std::vector<Listed>& list) {
  std::string out = usage_line(tool) + paragraph(sentence(tool.summary));
  out += examples_help(tool.examples);
  out += fmt::format("\nTypes ('{} TYPE --help' explains one):\n", tool.name);
  out += list_text(tool, list);
  out += "\nOptions of every stage, before or after TYPE:\n";
  return out + help_list(stage_options()) + std::string(kCommonHelp);
}

std::string component_help(const Tool& tool, const ComponentType& type, bool all) {
  std::string out = fmt::format("usage: {} {} {}\n", tool.name, type.name, synopsis(type.options));
  out += paragraph(sentence(type.summary));
  out += examples_help(type.examples);
  const std::string own = help_list(type.options);
  if (!own.empty()) {
    out += fmt::format("\nOptions of {}:\n{}", type.name, own);
  }
  if (all) {
    out += "\nOptions of every stage:\n" + help_list(stage_options()) + std::string(kCommonHelp);
    return out + fmt::format("\nDetails: man {}-{}\n", tool.name, type.name);
  }
  return out + fmt::format(
                   "\n--help-all also shows the options of every stage, which fl(7) explains.\n"
                   "Details: man {}-{}\n",
                   tool.name, type.name);
}

std::string command_help(const Tool& tool, const CommandType& command) {
  std::string out =
      fmt::format("usage: {} {} {}\n", tool.name, command.name, synopsis(command.options));
  out += paragraph(sentence(command.summary)) + examples_help(command.examples);
  out += "\nOptions:\n" + help_list(command.options) + help_list(command_options()) +
         std::string(kCommandHelp);
  return out + fmt::format("\nDetails: man {}-{}\n", tool.name, command.name);
}

std::string example_call(const Tool& tool, std::string_view type,
                         const std::vector<Example>& examples) {
  constexpr std::string_view kChained = " + ";
  const std::string start = fmt::format("{} ", tool.name);
  const auto is_call = [&](std::string_view words) {
    return words == type || words.starts_with(std::string(type) + " ");
  };
  for (const Example& example : examples) {
    for (const std::string& each : commands_of(example.command)) {
      const std::string command = each.substr(std::min(each.find_first_not_of(' '), each.size()));
      if (!command.starts_with(start)) {
        continue;
      }
      std::string_view rest = std::string_view(command).substr(start.size());
      for (std::size_t end = 0; takes_chains(tool) && !is_call(rest); rest.remove_prefix(end)) {
        end = rest.find(kChained);
        if (end == std::string_view::npos) {
          break;
        }
        end += kChained.size();
      }
      if (is_call(rest)) {
        const std::size_t end = takes_chains(tool) ? rest.find(kChained) : rest.npos;
        std::string call = start + std::string(rest.substr(0, end));
        call.erase(call.find_last_not_of(' ') + 1);
        // Examples that are tried make their directory.
        if (const std::size_t made = call.find(" $d"); made != std::string::npos) {
          call.replace(made, 3, " DIR");
        }
        return call;
      }
    }
  }
  return {};
}

std::string list_text(const Tool& tool, const std::vector<Listed>& list) {
  std::size_t width = 0;
  for (const Listed& entry : list) {
    width = std::max(width, entry.name.size());
  }
  for (const CommandType& command : *tool.commands) {
    width = std::max(width, command.name.size());
  }
  std::string out;
  for (const Listed& entry : list) {
    out += fmt::format("  {:<{}}  {}\n", entry.name, width, entry.summary);
  }
  out += tool.commands->empty() ? "" : "\nSubcommands:\n";
  for (const CommandType& command : *tool.commands) {
    out += fmt::format("  {:<{}}  {}\n", command.name, width, command.summary);
  }
  return out;
}

std::string tool_page(const Tool& tool, const std::vector<Listed>& list,
                      std::string_view page_template) {
  std::string page(page_template);
  replace_all(page, "@EXAMPLES@\n", examples_page(tool.examples));
  replace_all(page, "@COMPONENTS@\n", components_page(tool, with_commands(tool, list)));
  replace_all(page, "@OPTIONS@\n", page_list(stage_options()) + common_options_page());
  replace_all(page, "@EXIT_STATUS@\n", exit_status_page());
  replace_all(page, "@VERSION@", FL_VERSION);
  return page;
}

std::string component_page(const Tool& tool, const ComponentType& type) {
  const std::string name = tool.name + "-" + type.name;
  std::string page = page_head(name);
  page += "# NAME\n\n" + scdoc_escaped(name) + " - " + scdoc_escaped(type.summary) + "\n\n";
  page += fmt::format("# SYNOPSIS\n\n*{} {}* {}\n\n", tool.name, scdoc_escaped(type.name),
                      scdoc_escaped(synopsis(type.options)));
  page += "# DESCRIPTION\n\n" + escaped_paragraphs(type.description) + also_called(type);
  page += "# OPTIONS\n\n" + page_list(type.options);
  page += fmt::format("The options of every stage are in *{}*(1).\n\n", tool.name);
  if (!type.delivery.empty()) {
    page += "# DELIVERY\n\n" + escaped_paragraphs(type.delivery);
  }
  page += "# EXIT STATUS\n\n" + exit_status_page();
  if (!type.examples.empty()) {
    page += "# EXAMPLES\n\n" + examples_page(type.examples);
  }
  page += fmt::format(
      "# SEE ALSO\n\n*fl*(7), *{}*(1), *fl-stream*(5), *fl-ack*(7), *fl-delivery*(7)\n", tool.name);
  return page;
}

std::string command_page(const Tool& tool, const CommandType& command) {
  const std::string name = tool.name + "-" + command.name;
  std::string page = page_head(name);
  page += "# NAME\n\n" + scdoc_escaped(name) + " - " + scdoc_escaped(command.summary) + "\n\n";
  page += fmt::format("# SYNOPSIS\n\n*{} {}* {}\n\n", tool.name, scdoc_escaped(command.name),
                      scdoc_escaped(synopsis(command.options)));
  page += "# DESCRIPTION\n\n" + escaped_paragraphs(command.description);
  page += "# OPTIONS\n\n" + page_list(own_options(command)) + page_list(command_options()) +
          "*-h*, *--help*\n\tShow the help.\n\n*--version*\n\tShow the version.\n\n";
  page += "# EXIT STATUS\n\n" + exit_status_page();
  if (!command.examples.empty()) {
    page += "# EXAMPLES\n\n" + examples_page(command.examples);
  }
  return page + fmt::format("# SEE ALSO\n\n*fl*(7), *{}*(1)\n", tool.name);
}

OptionSet command_options() {
  OptionSet all = stage_options();
  std::erase_if(all.options, [](const OptionSpec& spec) {
    return spec.key != "logFormat" && spec.key != "logLevel" && spec.key != "quiet";
  });
  return all;
}

std::string completion(const Tool& tool, const std::vector<Listed>& list,
                       const std::vector<std::string>& arms,
                       const std::vector<std::string>& groups) {
  std::vector<std::string> names;
  std::vector<std::string> known;
  for (const Listed& entry : list) {
    names.push_back(entry.name);
    known.push_back(entry.name);
    known.insert(known.end(), entry.aliases.begin(), entry.aliases.end());
  }
  std::string function = "_" + tool.name;
  std::replace(function.begin(), function.end(), '-', '_');
  std::string all_arms;
  for (const std::string& arm : arms) {
    all_arms += arm;
  }
  for (const CommandType& command : *tool.commands) {
    names.push_back(command.name);
    known.push_back(command.name);
    all_arms += command.stage
                    ? completion_arm(*command.stage)
                    : arm({command.name}, joined(command.options, command_options()), true);
  }
  const std::string group_case =
      groups.empty()
          ? ""
          : fmt::format("      --) case \"$type\" in {}) type='' ;; esac ;;\n", join(groups, "|"));
  // Only words before the cursor count; in a chain, the type after the last "+" does. Types come
  // first: options are offered before one only where a dash was typed.
  return fmt::format(R"(# bash completion for {tool}, generated from the declarations.
{function}_words() {{
  case "$2" in
{stage_values}  esac
  words='{stage_options} --help --help-all --version'
  case "$1" in
    '') [[ $3 == -* ]] || {{ words='list {names}'; files=; }} ;;
{type_arms}  esac
}}

{function}() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local type='' word words='' files=yes
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in
      +) type='' ;;
{group_case}      {name_pattern}) [ -n "$type" ] || type="$word" ;;
    esac
  done
  {function}_words "$type" "$previous" "$current"
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [ -n "$files" ] || compopt +o default 2> /dev/null || true
}}
complete -o default -F {function} {tool}
)",
                     fmt::arg("tool", tool.name), fmt::arg("function", function),
                     fmt::arg("stage_values", value_arms(stage_options(), "    ")),
                     fmt::arg("stage_options", option_names(stage_options())),
                     fmt::arg("names", join(names, " ")), fmt::arg("group_case", group_case),
                     fmt::arg("type_arms", all_arms),
                     fmt::arg("name_pattern", known.empty() ? "''" : join(known, "|")));
}

std::string completion_arm(const ComponentType& type) {
  std::vector<std::string> names = {type.name};
  names.insert(names.end(), type.aliases.begin(), type.aliases.end());
  return arm(names, type.options, false);
}

std::string metrics_list(const std::vector<MetricHelp>& metrics) {
  std::string out;
  for (const MetricHelp& metric : metrics) {
    out += fmt::format("*{}* ({})\n\t{}\n\n", scdoc_escaped(metric.name), metric.kind,
                       scdoc_escaped(metric.help));
  }
  return out;
}

std::string tool_json(const Tool& tool, const std::vector<ComponentType>& components) {
  std::vector<std::string> objects;
  for (const ComponentType& type : components) {
    objects.push_back(json_component(type));
  }
  std::vector<std::string> subcommands;
  for (const CommandType& command : *tool.commands) {
    subcommands.push_back(fmt::format(
        R"({{"name":{},"aliases":[],"summary":{},"stream":{},"examples":{},"options":{}}})",
        json_quoted(command.name), json_quoted(command.summary), command.stage ? "true" : "false",
        json_examples(command.examples), json_list(own_options(command))));
  }
  return fmt::format(
      "{{\"tool\":{},\"version\":{},\"component\":{},\"examples\":{},\n\"stage_options\":{},\n"
      "\"components\":[{}],\n\"commands\":[{}]}}\n",
      json_quoted(tool.name), json_quoted(FL_VERSION), json_quoted(tool.component),
      json_examples(tool.examples), json_list(stage_options()), join(objects, ",\n"),
      join(subcommands, ",\n"));
}

}  // namespace fl
