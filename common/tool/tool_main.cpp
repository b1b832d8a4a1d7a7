#include "common/tool/tool_main.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <optional>

#include "common/base/error.h"
#include "common/base/log.h"
#include "common/base/start.h"
#include "common/base/text.h"
#include "common/component/programs.h"
#include "common/component/stage_options.h"
#include "common/io/standard_fds.h"
#include "common/option/command_line.h"
#include "common/option/command_text.h"
#include "common/stage/announce.h"
#include "common/tool/catalog.h"
#include "common/tool/properties_entrance.h"
#include "common/tool/start_stage.h"
#include "common/tool/tool_text.h"

namespace fl {
namespace {

using Arguments = std::vector<std::string>;

/// The exit status of what ran or was answered; or an error, which nobody has reported yet.
using Answer = Result<int>;

// The asked-for answer: all of it on stdout, or a failure.
Answer print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return system_error(ErrorClass::io, "cannot write to stdout", n < 0 ? errno : EIO);
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

Error& with_hint(Error& error, std::string hint) {
  if (error.hint.empty()) {
    error.hint = std::move(hint);
  }
  return error;
}

// One component of the command line with its options.
struct Chosen : ChosenType {
  CommandLine line;
  std::vector<Finding> findings;  // about --properties
};

constexpr std::string_view kProperties = "--properties";

// Asks for a text or gives properties, which may hold secrets: no foreign program may answer.
bool concerns_properties(const std::string& word) {
  return word == "--check" || word == "--print-command" || word == kProperties ||
         word.starts_with(std::string(kProperties) + "=");
}

bool has_properties_words(const Arguments& arguments) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::any_of(arguments.begin(), end, concerns_properties);
}

class ToolRun {
 public:
  ToolRun(const Tool& tool, const std::vector<ComponentType>& components)
      : tool_(tool),
        components_(components),
        catalog_(tool, components),
        stage_set_(stage_options()),
        stage_(std::static_pointer_cast<StageOptions>(stage_set_.make())) {}

  int run(const Arguments& arguments) {
    const Answer answer = guarded(arguments);
    if (answer) {
      return *answer;
    }
    log(answer.error());
    if (!stage_->dry_run && tool_.kind != ComponentKind::sink && !is_question(arguments)) {
      announce_failure(outputs_in(arguments), Failure(answer.error()), stage_->ack_wait.ms);
    }
    return static_cast<int>(answer.error().kind);
  }

 private:
  Answer guarded(const Arguments& arguments) {
    try {
      return dispatch(arguments);
    } catch (const std::exception& exception) {
      return error_of(exception);
    }
  }

  // It asks for a text and not for a run, whether it asks rightly or not.
  bool is_question(const Arguments& arguments) const {
    const auto asks = [](const std::string& word) {
      return word == "--help" || word == "-h" || word == "--help-all" || word == "--version" ||
             word == "--describe" || word == "--check" || word == "--print-command" ||
             word.starts_with("--generate");
    };
    const auto end = std::find(arguments.begin(), arguments.end(), "--");
    const Result<std::size_t> type = first_positional(arguments, stage_set_);
    // A subcommand answers on stdout; even where it fails, what most of them write is not a stream.
    const CommandType* const command =
        type && *type < arguments.size() ? find_command(arguments[*type]) : nullptr;
    if (command != nullptr && !command->stage) {
      return true;
    }
    return std::any_of(arguments.begin(), end, asks) ||
           (tool_.component.empty() && type && *type < arguments.size() &&
            arguments[*type] == kList);
  }

  // The values of --out, whether the rest of the command line is right or not; stdout without any.
  static Arguments outputs_in(const Arguments& arguments) {
    constexpr std::string_view kOut = "--out";
    Arguments outs;
    for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
      const std::string& word = arguments[i];
      if (word == kOut && i + 1 < arguments.size()) {
        outs.push_back(arguments[++i]);
      } else if (word.starts_with(kOut) && word.size() > kOut.size() && word[kOut.size()] == '=') {
        outs.push_back(word.substr(kOut.size() + 1));
      }
    }
    if (outs.empty()) {
      outs.emplace_back("-");
    }
    return outs;
  }

  Answer dispatch(const Arguments& arguments) {
    if (!tool_.component.empty()) {
      return run_component(components_.front(), arguments);
    }
    if (arguments.empty()) {
      (void)std::fputs(short_help(tool_).c_str(), stderr);
      return Error{ErrorClass::usage, "TYPE is missing", {}};
    }
    return tool_.kind == ComponentKind::interceptor ? run_chain(arguments) : run_typed(arguments);
  }

  // Stage options before TYPE, TYPE, and what follows it.
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

  Answer run_typed(const Arguments& arguments) {
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
    if (const CommandType* command = find_command(parts->type)) {
      return command->stage ? run_component(*command->stage, rest) : run_command(*command, rest);
    }
    const ComponentType* type = catalog_.find(parts->type);
    return type != nullptr ? run_component(*type, rest) : execute(parts->type, rest);
  }

  Answer run_chain(const Arguments& arguments) {
    if (std::find(arguments.begin(), arguments.end(), kChain) == arguments.end()) {
      return run_typed(arguments);
    }
    if (has_properties_words(arguments)) {
      return usage_failure(
          {ErrorClass::usage,
           "--properties, --check and --print-command accept one TYPE, not a chain",
           "run it once for each TYPE"});
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
        return usage_failure({ErrorClass::usage, "a TYPE is missing before or after '+'"});
      }
      const ComponentType* type = catalog_.find(parts->type);
      if (type == nullptr) {
        return catalog_.not_in_chain(parts->type);
      }
      Arguments rest = std::move(parts->before);
      rest.insert(rest.end(), parts->behind.begin(), parts->behind.end());
      Result<Chosen> chosen = read(*type, rest);
      if (!chosen) {
        return type_failure(*type, catalog_.with_meant(*type, rest, chosen.error()));
      }
      if (const std::optional<Answer> status = answer(*chosen)) {
        return *status;
      }
      chain.push_back(std::move(*chosen));
      if (end == arguments.end()) {
        break;
      }
      start = end + 1;
    }
    return start_chosen(tool_.name, chain);
  }

  Answer run_component(const ComponentType& type, const Arguments& arguments) {
    Result<Chosen> chosen = read(type, arguments);
    if (!chosen) {
      return type_failure(type, catalog_.with_meant(type, arguments, chosen.error()));
    }
    if (const std::optional<Answer> status = answer(*chosen)) {
      return *status;
    }
    std::vector<Chosen> chain;
    chain.push_back(std::move(*chosen));
    return start_chosen(tool_.name + " " + type.name, chain);
  }

  const CommandType* find_command(const std::string& name) const {
    for (const CommandType& command : *tool_.commands) {
      if (tool_.component.empty() && command.name == name) {
        return &command;
      }
    }
    return nullptr;
  }

  Answer run_command(const CommandType& command, const Arguments& arguments) const {
    const std::shared_ptr<void> options = command.options.make();
    const OptionSet common = command_options();
    const Result<CommandLine> line =
        parse_command_line(arguments, {{&command.options, options.get()}, {&common, stage_.get()}});
    if (!line) {
      Error error = line.error();
      return with_hint(error, how_to_call(error, command.name, command.options, command.examples));
    }
    if (line->help) {
      return print(command_help(tool_, command));
    }
    if (line->version) {
      return print(version_text(tool_));
    }
    if (line->describe) {
      return print(command.name + "\t" + command.summary + "\n");
    }
    if (line->generate == "man") {
      return print(command_page(tool_, command));
    }
    if (!line->generate.empty()) {
      return usage_failure({ErrorClass::usage, "--generate accepts only man here"});
    }
    set_log_as_asked(tool_.name + " " + command.name);
    return command.run(options);
  }

  Result<Chosen> read(const ComponentType& type, const Arguments& arguments) const {
    Chosen chosen;
    chosen.type = &type;
    chosen.options = type.options.make();
    Result<CommandLine> line = parse_command_line(arguments, bindings_of(chosen));
    if (!line) {
      return line.error();
    }
    chosen.line = std::move(*line);
    if (stage_->properties.empty()) {
      return stage_->check ? Result<Chosen>(Error{ErrorClass::usage, "--check needs --properties"})
                           : Result<Chosen>(std::move(chosen));
    }
    Result<std::vector<Finding>> findings =
        read_properties(stage_->properties, type.options, chosen.options.get());
    if (!findings) {
      return findings.error();
    }
    chosen.findings = std::move(*findings);
    if (!stage_->check) {
      set_log_as_asked(tool_.name + " " + type.name);
      if (Status status = log_findings(chosen.findings); !status) {
        return status.error();
      }
    }
    return chosen;
  }

  // The tables of a command line with this component.
  std::vector<Binding> bindings_of(const Chosen& chosen) const {
    return {{&chosen.type->options, chosen.options.get(), "properties"},
            {&stage_set_, stage_.get()}};
  }

  // What --check or --print-command asks for.
  Answer print_about(const Chosen& chosen) const {
    if (stage_->check) {
      const Answer answer = print(findings_json(chosen.findings));
      return answer && has_error(chosen.findings) ? Answer(static_cast<int>(ErrorClass::config))
                                                  : answer;
    }
    return print(command_text(tool_.name + " " + chosen.type->name, bindings_of(chosen),
                              {"properties", "check", "printCommand"}));
  }

  // The exit status if the command line asks for a text instead of a run.
  std::optional<Answer> answer(const Chosen& chosen) const {
    const ComponentType& type = *chosen.type;
    if (chosen.line.help) {
      return print(component_help(tool_, type, chosen.line.help_all));
    }
    if (chosen.line.version) {
      return print(version_text(tool_));
    }
    if (chosen.line.describe) {
      return print(type.name + "\t" + type.summary + "\n");
    }
    const std::string& what = chosen.line.generate;
    if (what.empty()) {
      return stage_->check || stage_->print_command ? std::optional(print_about(chosen))
                                                    : std::nullopt;
    }
    if (what == kGenerateNothing) {
      return 0;
    }
    if (what == "man") {
      return print(component_page(tool_, type));
    }
    if (what == "completion-arm") {
      return print(completion_arm(type));
    }
    if (what == "sought-as") {
      return print(join(type.sought_as, "\n") + "\n");
    }
    if (what == "options-json") {
      return print(tool_json(tool_, {type}));
    }
    if (what == "metrics") {
      return print(catalog_.metrics_page_of(type));
    }
    return usage_failure(
        {ErrorClass::usage,
         "--generate accepts man, completion-arm, metrics, sought-as and options-json here"});
  }

  Answer answer_without_type(const Arguments& arguments) {
    const Result<CommandLine> line = parse_command_line(arguments, {{&stage_set_, stage_.get()}});
    if (!line) {
      return usage_failure(line.error());
    }
    if (line->help) {
      return print(tool_help(tool_, catalog_.all_types(false)));
    }
    if (line->version) {
      return print(version_text(tool_));
    }
    if (line->describe) {
      return print(tool_.name + "\t" + tool_.summary + "\n");
    }
    if (line->generate == "man") {
      return print(tool_page(tool_, catalog_.all_types(true), read_stdin()));
    }
    if (line->generate == "completion") {
      return print(completion(tool_, catalog_.all_types(true), catalog_.completion_arms(),
                              catalog_.groups()));
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
        text += catalog_.metrics_page_of(type);
      }
      return print(text +
                   join(ask_programs(catalog_.programs(true), {"--generate", "metrics"}), ""));
    }
    if (!line->generate.empty()) {
      return usage_failure(
          {ErrorClass::usage,
           "--generate accepts man, completion, metrics, stage-metrics and options-json"});
    }
    return usage_failure({ErrorClass::usage, "TYPE is missing"});
  }

  Answer print_list(const Split& parts) {
    if (parts.before.empty() && parts.behind.empty()) {
      return print(list_text(tool_, catalog_.all_types(false)));
    }
    Arguments rest = parts.before;
    rest.insert(rest.end(), parts.behind.begin(), parts.behind.end());
    const OptionSet none;
    const Result<CommandLine> line = parse_command_line(rest, {{&none, nullptr}});
    if (!line) {
      return usage_failure(line.error());
    }
    return line->version ? print(version_text(tool_))
                         : print(list_text(tool_, catalog_.all_types(false)));
  }

  Answer execute(const std::string& type, Arguments arguments) const {
    const bool beside_only = has_properties_words(arguments);
    std::string path = find_program(tool_.name, type, beside_only);
    if (path.empty()) {
      if (beside_only && !find_program(tool_.name, type).empty()) {
        return Error{ErrorClass::usage,
                     fmt::format("'{}' is not installed with {}: properties are not given to "
                                 "programs found in PATH",
                                 type, tool_.name),
                     "give its options as arguments"};
      }
      const bool only_asked =
          std::find(arguments.begin(), arguments.end(), "--describe") != arguments.end();
      return catalog_.unknown_type(type, only_asked);
    }
    std::vector<char*> argv = {path.data()};
    for (std::string& argument : arguments) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    ::execv(path.c_str(), argv.data());
    return system_error("cannot execute '" + path + "'", errno);
  }

  Answer usage_failure(Error error) const {
    return with_hint(error, fmt::format("'{} --help' shows the usage", tool_.name));
  }

  Answer type_failure(const ComponentType& type, Error error) const {
    return with_hint(error, how_to_call(error, type.name, type.options, type.examples));
  }

  // With an example where something required is not given.
  std::string how_to_call(const Error& error, const std::string& type, const OptionSet& set,
                          const std::vector<Example>& examples) const {
    const bool is_missing = std::any_of(
        set.options.begin(), set.options.end(),
        [&](const OptionSpec& spec) { return error.message == missing_argument(spec); });
    const std::string example = is_missing ? example_call(tool_, type, examples) : std::string();
    return fmt::format("{}'{} {} --help' shows the options",
                       example.empty() ? "" : "for example: " + example + "; ", tool_.name, type);
  }

  Answer start_chosen(const std::string& name, const std::vector<Chosen>& chain) const {
    set_log_as_asked(name);
    return start_stage(tool_, name, *stage_, {chain.begin(), chain.end()});
  }

  void set_log_as_asked(const std::string& name) const {
    set_log(name, log_level(), stage_->log_format == "json" ? LogFormat::json : LogFormat::text);
  }

  LogLevel log_level() const {
    const std::string& level = stage_->log_level;
    return level == "error"                      ? LogLevel::error
           : level == "warning" || stage_->quiet ? LogLevel::warning
           : level == "debug"                    ? LogLevel::debug
                                                 : LogLevel::info;
  }

  const Tool& tool_;
  const std::vector<ComponentType>& components_;
  const Catalog catalog_;
  const OptionSet stage_set_;
  const std::shared_ptr<StageOptions> stage_;
};

}  // namespace

int tool_main(const Tool& tool, const std::vector<ComponentType>& components, int argc,
              char** argv) {
  occupy_standard_fds();
  const std::string name = tool.component.empty() ? tool.name : tool.name + " " + tool.component;
  set_log(name, LogLevel::info, LogFormat::text);
  end_clearly_on_exceptions(name);
  ToolRun run(tool, components);
  return run.run(argc > 1 ? Arguments(argv + 1, argv + argc) : Arguments());
}

}  // namespace fl
