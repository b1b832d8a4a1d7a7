#include "common/stage/tool_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/exit_status.h"
#include "common/base/text.h"
#include "common/option/option_text.h"
#include "common/option/option_values.h"
#include "common/stage/stage_options.h"

namespace fl {
namespace {

constexpr std::size_t kLineWidth = 80;

constexpr std::string_view kCommonHelp =
    "  -h, --help                This text.\n"
    "  --version                 The version.\n";

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

// Between fences scdoc takes the text as it is, but for backslashes.
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
  return "*-h*, *--help*\n\tShow the help.\n\n*--version*\n\tShow the version.\n\n";
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
        names.push_back("--" + alias);
      }
    }
  }
  return join(names, " ");
}

// Arms of `case "$2"`, the option before the cursor, for options with choices.
std::string choice_arms(const OptionSet& set, std::string_view indent) {
  std::string out;
  for (const OptionSpec& spec : set.options) {
    if (!spec.choices.empty() && is_on_command_line(spec)) {
      out += fmt::format("{}--{}) words='{}'; return ;;\n", indent, spec.name,
                         join(spec.choices, " "));
    }
  }
  return out;
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

}  // namespace

std::string version_text(const Tool& tool) {
  return fmt::format("{} (fl {})\n", tool.name, FL_VERSION);
}

std::string short_help(const Tool& tool) {
  std::string out = usage_line(tool);
  for (const Example& example : tool.examples) {
    out += "  " + example.command + "\n";
  }
  return out + fmt::format("'{0} list' shows the types, '{0} --help' more\n", tool.name);
}

std::string tool_help(const Tool& tool, const std::vector<Listed>& list) {
  std::string out = usage_line(tool) + paragraph(sentence(tool.summary));
  out += examples_help(tool.examples);
  out += fmt::format("\nTypes ('{} TYPE --help' explains one):\n", tool.name);
  out += list_text(list);
  out += "\nOptions of every stage, before or behind TYPE:\n";
  return out + help_list(stage_options()) + std::string(kCommonHelp);
}

std::string component_help(const Tool& tool, const ComponentType& type) {
  std::string out = fmt::format("usage: {} {} {}\n", tool.name, type.name, synopsis(type.options));
  out += paragraph(sentence(type.summary));
  out += examples_help(type.examples);
  const std::string own = help_list(type.options);
  if (!own.empty()) {
    out += fmt::format("\nOptions of {}:\n{}", type.name, own);
  }
  out += "\nOptions of every stage:\n" + help_list(stage_options()) + std::string(kCommonHelp);
  return out + fmt::format("\n'man {}-{}' says more.\n", tool.name, type.name);
}

std::string list_text(const std::vector<Listed>& list) {
  std::size_t width = 0;
  for (const Listed& entry : list) {
    width = std::max(width, entry.name.size());
  }
  std::string out;
  for (const Listed& entry : list) {
    out += fmt::format("  {:<{}}  {}\n", entry.name, width, entry.summary);
  }
  return out;
}

std::string tool_page(const Tool& tool, const std::vector<Listed>& list,
                      std::string_view page_template) {
  std::string page(page_template);
  replace_all(page, "@EXAMPLES@\n", examples_page(tool.examples));
  replace_all(page, "@COMPONENTS@\n", components_page(tool, list));
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
  page += fmt::format("# SEE ALSO\n\n*{}*(1), *fl-stream*(5), *fl-ack*(7), *fl-delivery*(7)\n",
                      tool.name);
  return page;
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
  const std::string group_case =
      groups.empty()
          ? ""
          : fmt::format("      --) case \"$type\" in {}) type='' ;; esac ;;\n", join(groups, "|"));
  // Only words before the cursor count; in a chain, the type behind the last "+" does.
  return fmt::format(R"(# bash completion for {tool}, generated from the declarations.
{function}_words() {{
  case "$2" in
{stage_choices}  esac
  words='{stage_options} --help --version'
  case "$1" in
    '') words="$words list {names}" ;;
{type_arms}  esac
}}

{function}() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local type='' word words=''
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$word" in
      +) type='' ;;
{group_case}      {name_pattern}) [ -n "$type" ] || type="$word" ;;
    esac
  done
  {function}_words "$type" "$previous"
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F {function} {tool}
)",
                     fmt::arg("tool", tool.name), fmt::arg("function", function),
                     fmt::arg("stage_choices", choice_arms(stage_options(), "    ")),
                     fmt::arg("stage_options", option_names(stage_options())),
                     fmt::arg("names", join(names, " ")), fmt::arg("group_case", group_case),
                     fmt::arg("type_arms", all_arms),
                     fmt::arg("name_pattern", known.empty() ? "''" : join(known, "|")));
}

std::string completion_arm(const ComponentType& type) {
  std::vector<std::string> names = {type.name};
  names.insert(names.end(), type.aliases.begin(), type.aliases.end());
  std::string out = "    " + join(names, "|") + ")\n";
  const std::string choices = choice_arms(type.options, "        ");
  if (!choices.empty()) {
    out += "      case \"$2\" in\n" + choices + "      esac\n";
  }
  return out + fmt::format("      words=\"$words {}\" ;;\n", option_names(type.options));
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
  return fmt::format(
      "{{\"tool\":{},\"version\":{},\"component\":{},\"examples\":{},\n\"stage_options\":{},\n"
      "\"components\":[{}]}}\n",
      json_quoted(tool.name), json_quoted(FL_VERSION), json_quoted(tool.component),
      json_examples(tool.examples), json_list(stage_options()), join(objects, ",\n"));
}

}  // namespace fl
