#include "common/stage/tool_main.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <optional>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/standard_fds.h"
#include "common/option/command_line.h"
#include "common/option/suggest.h"
#include "common/stage/programs.h"
#include "common/stage/runner.h"
#include "common/stage/stage_options.h"
#include "common/stage/tool_text.h"

namespace fl {
namespace {

using Arguments = std::vector<std::string>;

constexpr std::string_view kList = "list";
constexpr std::string_view kChain = "+";

int fail(const Error& error) {
  log(error);
  return static_cast<int>(error.kind);
}

// The asked-for answer: all of it on stdout, or a failure.
int print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return fail(system_error(ErrorClass::io, "cannot write to stdout", n < 0 ? errno : EIO));
    }
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

std::string read_stdin() {
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(STDIN_FILENO, buffer, sizeof buffer)) > 0;) {
    out.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

// The summary of a "name<TAB>summary" answer; nothing if it is not one.
std::optional<Listed> listed(const std::string& answer) {
  const std::string line = answer.substr(0, answer.find('\n'));
  const std::size_t tab = line.find('\t');
  if (tab == std::string::npos || tab == 0) {
    return std::nullopt;
  }
  return Listed{printable(line.substr(0, tab)), printable(line.substr(tab + 1))};
}

Error& with_hint(Error& error, std::string hint) {
  if (error.hint.empty()) {
    error.hint = std::move(hint);
  }
  return error;
}

// One component of the command line with its options.
struct Chosen {
  const ComponentType* type = nullptr;
  std::shared_ptr<void> options;
  CommandLine line;
};

class ToolRun {
 public:
  ToolRun(const Tool& tool, const std::vector<ComponentType>& components)
      : tool_(tool),
        components_(components),
        stage_set_(stage_options()),
        stage_(std::static_pointer_cast<StageOptions>(stage_set_.make())) {}

  int run(const Arguments& arguments) {
    if (!tool_.component.empty()) {
      return run_component(components_.front(), arguments);
    }
    if (arguments.empty()) {
      (void)std::fputs(short_help(tool_).c_str(), stderr);
      return static_cast<int>(ErrorClass::usage);
    }
    return tool_.kind == ComponentKind::interceptor ? run_chain(arguments) : run_typed(arguments);
  }

 private:
  // Stage options before TYPE, TYPE, and what is behind it.
  struct Split {
    Arguments before;
    std::string type;
    Arguments behind;
  };

  Result<Split> split(const Arguments& arguments) const {
    const Result<std::size_t> at = first_positional(arguments, stage_set_);
    if (!at) {
      return at.error();
    }
    const auto type = arguments.begin() + static_cast<std::ptrdiff_t>(*at);
    Split out;
    out.before.assign(arguments.begin(), type);
    if (type != arguments.end()) {
      out.type = *type;
      out.behind.assign(type + 1, arguments.end());
    }
    return out;
  }

  int run_typed(const Arguments& arguments) {
    Result<Split> parts = split(arguments);
    if (!parts) {
      return usage_failure(parts.error());
    }
    if (parts->type.empty()) {
      return answer_without_type(arguments);
    }
    if (parts->type == kList) {
      return print_list(*parts);
    }
    Arguments rest = std::move(parts->before);
    rest.insert(rest.end(), parts->behind.begin(), parts->behind.end());
    const ComponentType* type = find(parts->type);
    return type != nullptr ? run_component(*type, rest) : execute(parts->type, rest);
  }

  int run_chain(const Arguments& arguments) {
    if (std::find(arguments.begin(), arguments.end(), kChain) == arguments.end()) {
      return run_typed(arguments);
    }
    std::vector<Chosen> chain;
    auto start = arguments.begin();
    while (true) {
      const auto end = std::find(start, arguments.end(), kChain);
      Result<Split> parts = split(Arguments(start, end));
      if (!parts) {
        return usage_failure(parts.error());
      }
      if (parts->type.empty()) {
        return usage_failure({ErrorClass::usage, "a TYPE is missing beside '+'"});
      }
      const ComponentType* type = find(parts->type);
      if (type == nullptr) {
        return not_in_chain(parts->type);
      }
      Arguments rest = std::move(parts->before);
      rest.insert(rest.end(), parts->behind.begin(), parts->behind.end());
      Result<Chosen> chosen = read(*type, rest);
      if (!chosen) {
        return type_failure(*type, chosen.error());
      }
      if (const std::optional<int> status = answer(*chosen)) {
        return *status;
      }
      chain.push_back(std::move(*chosen));
      if (end == arguments.end()) {
        break;
      }
      start = end + 1;
    }
    return start_stage(tool_.name, chain);
  }

  int run_component(const ComponentType& type, const Arguments& arguments) {
    Result<Chosen> chosen = read(type, arguments);
    if (!chosen) {
      return type_failure(type, chosen.error());
    }
    if (const std::optional<int> status = answer(*chosen)) {
      return *status;
    }
    std::vector<Chosen> chain;
    chain.push_back(std::move(*chosen));
    return start_stage(tool_.name + " " + type.name, chain);
  }

  Result<Chosen> read(const ComponentType& type, const Arguments& arguments) const {
    Chosen chosen;
    chosen.type = &type;
    chosen.options = type.options.make();
    Result<CommandLine> line = parse_command_line(
        arguments, {{&type.options, chosen.options.get()}, {&stage_set_, stage_.get()}});
    if (!line) {
      return line.error();
    }
    chosen.line = std::move(*line);
    return chosen;
  }

  // The exit status if the command line asks for a text instead of a run.
  std::optional<int> answer(const Chosen& chosen) const {
    const ComponentType& type = *chosen.type;
    if (chosen.line.help) {
      return print(component_help(tool_, type));
    }
    if (chosen.line.version) {
      return print(version_text(tool_));
    }
    if (chosen.line.describe) {
      return print(type.name + "\t" + type.summary + "\n");
    }
    const std::string& what = chosen.line.generate;
    if (what.empty()) {
      return std::nullopt;
    }
    if (what == "man") {
      return print(component_page(tool_, type));
    }
    if (what == "completion-arm") {
      return print(completion_arm(type));
    }
    if (what == "options-json") {
      return print(tool_json(tool_, {type}));
    }
    if (what == "metrics") {
      return print(metrics_page_of(type));
    }
    return usage_failure(
        {ErrorClass::usage, "--generate knows man, completion-arm, metrics and options-json here"});
  }

  int answer_without_type(const Arguments& arguments) {
    const Result<CommandLine> line = parse_command_line(arguments, {{&stage_set_, stage_.get()}});
    if (!line) {
      return usage_failure(line.error());
    }
    if (line->help) {
      return print(tool_help(tool_, all_types(false)));
    }
    if (line->version) {
      return print(version_text(tool_));
    }
    if (line->describe) {
      return print(tool_.name + "\t" + tool_.summary + "\n");
    }
    if (line->generate == "man") {
      return print(tool_page(tool_, all_types(true), read_stdin()));
    }
    if (line->generate == "completion") {
      return print(completion(tool_, all_types(true), completion_arms(), groups()));
    }
    if (line->generate == "options-json") {
      return print(tool_json(tool_, components_));
    }
    if (line->generate == "stage-metrics") {
      return print(metrics_list(stage_metrics()));
    }
    if (line->generate == "metrics") {
      std::string text;
      for (const ComponentType& type : components_) {
        text += metrics_page_of(type);
      }
      return print(text + join(ask_programs(programs(true), {"--generate", "metrics"}), ""));
    }
    if (!line->generate.empty()) {
      return usage_failure(
          {ErrorClass::usage,
           "--generate knows man, completion, metrics, stage-metrics and options-json"});
    }
    return usage_failure({ErrorClass::usage, "TYPE is missing"});
  }

  int print_list(const Split& parts) {
    if (parts.before.empty() && parts.behind.empty()) {
      return print(list_text(all_types(false)));
    }
    Arguments rest = parts.before;
    rest.insert(rest.end(), parts.behind.begin(), parts.behind.end());
    const OptionSet none;
    const Result<CommandLine> line = parse_command_line(rest, {{&none, nullptr}});
    if (!line) {
      return usage_failure(line.error());
    }
    return line->version ? print(version_text(tool_)) : print(list_text(all_types(false)));
  }

  const ComponentType* find(const std::string& name) const {
    for (const ComponentType& type : components_) {
      const auto is_name = [&](const std::string& other) { return other == name; };
      if (type.name == name || std::any_of(type.aliases.begin(), type.aliases.end(), is_name) ||
          std::any_of(type.class_names.begin(), type.class_names.end(), is_name)) {
        return &type;
      }
    }
    return nullptr;
  }

  std::vector<Program> programs(bool beside_only) const {
    std::vector<Program> found = find_programs(tool_.name, beside_only);
    std::erase_if(found, [&](const Program& program) { return find(program.name) != nullptr; });
    return found;
  }

  std::vector<Listed> all_types(bool beside_only) const {
    std::vector<Listed> list;
    for (const ComponentType& type : components_) {
      list.push_back({type.name, type.summary, type.aliases});
    }
    const std::vector<Program> found = programs(beside_only);
    const std::vector<std::string> answers = ask_programs(found, {"--describe"});
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (std::optional<Listed> entry = listed(answers[i])) {
        // The file's name is what one types, whatever the program calls itself.
        list.push_back({found[i].name, std::move(entry->summary)});
      }
    }
    std::sort(list.begin(), list.end(),
              [](const Listed& a, const Listed& b) { return a.name < b.name; });
    return list;
  }

  /// The part of fl-metrics(7) about a component; empty if it has no figures of its own.
  std::string metrics_page_of(const ComponentType& type) const {
    FigureList own;
    own.owner(type.name);
    const std::shared_ptr<void> options = type.options.make();
    if (type.source) {
      type.source(options)->figures(own);
    } else if (type.interceptor) {
      type.interceptor(options)->figures(own);
    } else if (type.channel) {
      type.channel(options)->figures(own);
    } else if (type.sink) {
      type.sink(options)->figures(own);
    }
    return metrics_list(component_metrics(tool_.name, own));
  }

  /// Names of the components whose words behind -- are a chain of others.
  std::vector<std::string> groups() const {
    std::vector<std::string> names;
    for (const ComponentType& type : components_) {
      const bool is_group = std::any_of(
          type.options.options.begin(), type.options.options.end(), [](const OptionSpec& spec) {
            return spec.is_positional && spec.metavar.find('+') != std::string::npos;
          });
      if (is_group) {
        names.push_back(type.name);
        names.insert(names.end(), type.aliases.begin(), type.aliases.end());
      }
    }
    return names;
  }

  std::vector<std::string> completion_arms() const {
    std::vector<std::string> arms;
    for (const ComponentType& type : components_) {
      arms.push_back(completion_arm(type));
    }
    for (std::string& arm : ask_programs(programs(true), {"--generate", "completion-arm"})) {
      arms.push_back(std::move(arm));
    }
    return arms;
  }

  int execute(const std::string& type, Arguments arguments) const {
    std::string path = find_program(tool_.name, type);
    if (path.empty()) {
      return unknown_type(type);
    }
    std::vector<char*> argv = {path.data()};
    for (std::string& argument : arguments) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    ::execv(path.c_str(), argv.data());
    return fail(system_error("cannot execute '" + path + "'", errno));
  }

  int unknown_type(const std::string& type) const {
    std::vector<std::string> known = {std::string(kList)};
    for (const ComponentType& component : components_) {
      known.push_back(component.name);
      known.insert(known.end(), component.aliases.begin(), component.aliases.end());
    }
    for (const Program& program : programs(false)) {
      known.push_back(program.name);
    }
    return fail({ErrorClass::usage,
                 fmt::format("unknown type '{}'{}", type, did_you_mean(type, known)),
                 fmt::format("'{} list' shows the types", tool_.name)});
  }

  int not_in_chain(const std::string& type) const {
    if (find_program(tool_.name, type).empty()) {
      return unknown_type(type);
    }
    return fail({ErrorClass::usage,
                 fmt::format("'{}' is a program of its own and cannot stand in a chain", type),
                 fmt::format("join it by a pipe: ... | {} {} | ...", tool_.name, type)});
  }

  int usage_failure(Error error) const {
    return fail(with_hint(error, fmt::format("'{} --help' shows the usage", tool_.name)));
  }

  int type_failure(const ComponentType& type, Error error) const {
    return fail(
        with_hint(error, fmt::format("'{} {} --help' shows the options", tool_.name, type.name)));
  }

  bool reads_stdin(const std::vector<Chosen>& chain, const Plan& plan) const {
    return stage_->in.empty() && plan.files.empty() &&
           (tool_.kind != ComponentKind::source || chain.front().type->reads_text);
  }

  int start_stage(const std::string& name, const std::vector<Chosen>& chain) const {
    set_log(name, log_level(), stage_->log_format == "json" ? LogFormat::json : LogFormat::text);
    Plan plan;
    plan.name = name;
    plan.options = *stage_;
    for (const Chosen& chosen : chain) {
      const ComponentType& type = *chosen.type;
      plan.components.push_back(type.name);
      if (type.reads_text) {
        plan.text_source = true;
        const auto files = chosen.line.given.find("files");
        if (files != chosen.line.given.end()) {
          plan.files = files->second;
        }
      } else if (type.source) {
        plan.source = type.source(chosen.options);
      } else if (type.interceptor) {
        plan.interceptors.push_back(type.interceptor(chosen.options));
      } else if (type.channel) {
        plan.channel = type.channel(chosen.options);
      } else {  // a channel with several outputs, too
        plan.sink = type.sink(chosen.options);
      }
    }
    if (tool_.kind == ComponentKind::sink && !stage_->out.empty()) {
      return fail({ErrorClass::usage, "a sink writes no stream: --out has no meaning here",
                   "fl-sink stdout writes to stdout: redirect that"});
    }
    // Nobody types a stream; --text says that somebody means to type lines.
    if (reads_stdin(chain, plan) && !stage_->text && !stage_->dry_run &&
        ::isatty(STDIN_FILENO) == 1) {
      (void)std::fputs(short_help(tool_).c_str(), stderr);
      return fail({ErrorClass::usage, "stdin is a terminal: there is nothing to read",
                   "pipe something into it, or give --text to type lines"});
    }
    const std::string rule(plan.sink ? plan.sink->rule() : std::string_view());
    const int status = run_stage(std::move(plan));
    if (stage_->dry_run && status == 0) {
      log(LogLevel::info,
          "dry run: the options are in order; nothing was read or written" +
              (rule.empty() ? rule : ". An event would count as delivered when it is: " + rule));
    }
    return status;
  }

  LogLevel log_level() const {
    const std::string& level = stage_->log_level;
    return level == "error"     ? LogLevel::error
           : level == "warning" ? LogLevel::warning
           : level == "debug"   ? LogLevel::debug
                                : LogLevel::info;
  }

  const Tool& tool_;
  const std::vector<ComponentType>& components_;
  const OptionSet stage_set_;
  const std::shared_ptr<StageOptions> stage_;
};

}  // namespace

int tool_main(const Tool& tool, const std::vector<ComponentType>& components, int argc,
              char** argv) {
  occupy_standard_fds();
  const std::string name = tool.component.empty() ? tool.name : tool.name + " " + tool.component;
  set_log(name, LogLevel::info, LogFormat::text);
  ToolRun run(tool, components);
  return run.run(argc > 1 ? Arguments(argv + 1, argv + argc) : Arguments());
}

}  // namespace fl
