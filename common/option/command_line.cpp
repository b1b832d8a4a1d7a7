// The only file that includes CLI11, which splits the arguments. Positionals, values, defaults and
// messages are ours.
#include "common/option/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>

#include "common/base/text.h"
#include "common/option/option_values.h"
#include "common/option/secret.h"
#include "common/option/suggest.h"

namespace fl {
namespace {

Error usage(std::string message) { return Error{ErrorClass::usage, std::move(message)}; }

bool looks_like_option(const std::string& arg) {
  return arg.size() > 1 && arg.front() == '-' && !(arg[1] >= '0' && arg[1] <= '9');
}

class Splitter {
 public:
  Splitter() {
    app_.set_help_flag();
    app_.allow_extras();
    help_ = app_.add_flag("-h,--help");
    help_all_ = app_.add_flag("--help-all");
    version_ = app_.add_flag("--version");
    describe_ = app_.add_flag("--describe");
    generate_ = app_.add_option("--generate")->type_name("WHAT");
  }

  void add(const OptionSpec& spec) {
    std::string names = "--" + spec.name;
    known_.push_back(spec.name);
    for (const std::string& alias : spec.aliases) {
      names += "," + dashed(alias);
      known_.push_back(alias);
    }
    CLI::Option* option = nullptr;
    if (spec.is_flag) {
      option = app_.add_flag(names);
    } else {
      option = app_.add_option(names)->type_name(spec.metavar);
      option->allow_extra_args(false);
    }
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    options_.push_back(option);
    specs_.push_back(&spec);
  }

  /// Stops at the first positional if asked. After an error the flags that were seen still count.
  Status split(const std::vector<std::string>& args, bool stop_at_positional) {
    app_.prefix_command(stop_at_positional);
    std::vector<std::string> reversed = with_empty_values(args, stop_at_positional);
    std::reverse(reversed.begin(), reversed.end());
    try {
      app_.parse(std::move(reversed));
    } catch (const CLI::ArgumentMismatch&) {
      return usage(missing_value(args));
    } catch (const CLI::Error& error) {
      return usage(error.what());
    }
    return {};
  }

  bool help() const { return help_->count() > 0 || help_all(); }
  bool help_all() const { return help_all_->count() > 0; }
  bool version() const { return version_->count() > 0; }
  bool describe() const { return describe_->count() > 0; }
  std::string generate() const {
    return generate_->count() > 0 ? generate_->results().back() : std::string();
  }

  std::size_t size() const { return specs_.size(); }
  const OptionSpec& spec(std::size_t i) const { return *specs_[i]; }
  const std::vector<std::string>& values(std::size_t i) const { return options_[i]->results(); }

  /// Positionals and, before the first "--", unknown options; that "--" is among them.
  std::vector<std::string> rest() const { return app_.remaining(); }

  Error unknown_option(const std::string& arg) const {
    const std::string name = arg.substr(0, arg.find('='));
    const std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    if (const auto is_known =
            [this](const std::string& word) {
              return std::find(known_.begin(), known_.end(), word) != known_.end();
            };
        is_known(bare + "-file") && is_known(bare + "-env")) {
      return Error{ErrorClass::usage,
                   fmt::format("unknown option '{}': everybody can read a command line", name),
                   fmt::format("--{0}-file FILE or --{0}-env VARIABLE says where it is", bare)};
    }
    std::vector<std::string> known = known_;
    known.insert(known.end(), {"help", "help-all", "version"});
    return usage(fmt::format("unknown option '{}'{}", name, did_you_mean(bare, known, "--")));
  }

 private:
  // CLI11 takes "--name=" for "--name" and would eat the next argument.
  std::vector<std::string> with_empty_values(const std::vector<std::string>& args,
                                             bool stop_at_positional) const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < args.size(); ++i) {
      const std::string& arg = args[i];
      if (arg == "--" || (stop_at_positional && !looks_like_option(arg))) {
        out.insert(out.end(), args.begin() + static_cast<std::ptrdiff_t>(i), args.end());
        break;
      }
      const CLI::Option* option = valued(arg.substr(0, arg.find('=')));
      if (option != nullptr && arg.back() == '=' && arg.find('=') == arg.size() - 1) {
        out.push_back(arg.substr(0, arg.size() - 1));
        out.emplace_back();
        continue;
      }
      out.push_back(arg);
      if (option != nullptr && arg.find('=') == std::string::npos && i + 1 < args.size()) {
        out.push_back(args[++i]);
      }
    }
    return out;
  }

  const CLI::Option* valued(const std::string& name) const {
    if (name.rfind("--", 0) != 0) {
      return nullptr;
    }
    const CLI::Option* option = app_.get_option_no_throw(name);
    return option != nullptr && option->get_items_expected_max() > 0 ? option : nullptr;
  }

  std::string missing_value(const std::vector<std::string>& args) const {
    const std::string& last = args.back();
    for (std::size_t i = 0; i < options_.size(); ++i) {
      if (options_[i]->check_name(last)) {
        return fmt::format("option '{}' needs a value ({})", last, specs_[i]->metavar);
      }
    }
    return fmt::format("option '{}' needs a value", last);
  }

  CLI::App app_;
  CLI::Option* help_ = nullptr;
  CLI::Option* help_all_ = nullptr;
  CLI::Option* version_ = nullptr;
  CLI::Option* describe_ = nullptr;
  CLI::Option* generate_ = nullptr;
  std::vector<CLI::Option*> options_;
  std::vector<const OptionSpec*> specs_;
  std::vector<std::string> known_;
};

std::string display_name(const OptionSpec& spec) {
  return spec.is_positional ? spec.metavar : "--" + spec.name;
}

Status assign(const OptionSpec& spec, void* options, const std::string& value, CommandLine& line) {
  Status status = check_empty(spec, value);
  if (const std::string name = value.substr(0, value.find('='));
      status && spec.is_prefix && value.find('=') != std::string::npos && sounds_secret(name)) {
    Error error = usage(
        fmt::format("--{} {}: a secret on a command line is seen by everybody", spec.name, name));
    error.hint = fmt::format("--{0}-env {1}=VARIABLE or --{0}-file {1}=FILE", spec.name, name);
    return error;
  }
  if (status) {
    status = set_option(spec, options, value);
  }
  if (!status) {
    Error error = usage(fmt::format("{}: {}", display_name(spec), status.error().message));
    error.hint = status.error().hint.empty() ? spec.hint : status.error().hint;
    return error;
  }
  line.given[spec.key].push_back(value);
  return {};
}

/// WORDs are a command and its arguments, whose own options must not be taken for ours.
bool takes_a_command(const std::vector<Binding>& bindings) {
  return std::any_of(bindings.begin(), bindings.end(), [](const Binding& binding) {
    return std::any_of(binding.set->options.begin(), binding.set->options.end(),
                       [](const OptionSpec& spec) { return spec.follows_dashes; });
  });
}

// What is not an option, without the first "--"; an error for an unknown option.
Result<std::vector<std::string>> positionals_of(const Splitter& splitter,
                                                const std::vector<Binding>& bindings) {
  std::vector<std::string> positionals;
  bool options_ended = false;
  for (std::string& arg : splitter.rest()) {
    if (!options_ended && arg == "--") {
      options_ended = true;
    } else if (!options_ended && looks_like_option(arg)) {
      Error error = splitter.unknown_option(arg);
      if (!positionals.empty() && takes_a_command(bindings)) {
        error.hint =
            fmt::format("put -- before the command: -- {} {}", join(positionals, " "), arg);
      }
      return error;
    } else {
      positionals.push_back(std::move(arg));
    }
  }
  return positionals;
}

/// Whether `value` is NAME=VALUE for the option and the one it pairs with.
bool is_pair(const OptionSpec& spec, std::string_view value, const CommandLine& line) {
  return !spec.pair_key.empty() && !line.given.contains(spec.pair_key) &&
         value.find('=') != std::string_view::npos;
}

Status assign_pair(const OptionSpec& spec, const OptionSet& set, void* options,
                   const std::string& value, CommandLine& line) {
  const std::size_t equals = value.find('=');
  Status status = assign(spec, options, value.substr(0, equals), line);
  for (const OptionSpec& other : set.options) {
    if (status && other.key == spec.pair_key) {
      status = assign(other, options, value.substr(equals + 1), line);
    }
  }
  return status;
}

Status assign_positionals(const std::vector<std::string>& values,
                          const std::vector<Binding>& bindings, CommandLine& line) {
  std::size_t next = 0;
  for (const Binding& binding : bindings) {
    for (const OptionSpec& spec : binding.set->options) {
      if (!spec.is_positional || (!spec.is_repeated && line.given.contains(spec.key))) {
        continue;
      }
      if (next + 1 == values.size() && is_pair(spec, values[next], line)) {
        return assign_pair(spec, *binding.set, binding.options, values[next], line);
      }
      const std::size_t end = takes_the_rest(spec) ? values.size() : next + 1;
      for (; next < end && next < values.size(); ++next) {
        if (Status status = assign(spec, binding.options, values[next], line); !status) {
          return status;
        }
      }
    }
  }
  if (next < values.size()) {
    return usage(unexpected_argument(values[next]));
  }
  return {};
}

Status assign_all(const Splitter& splitter, const std::vector<Binding>& bindings,
                  CommandLine& line) {
  const Result<std::vector<std::string>> positionals = positionals_of(splitter, bindings);
  if (!positionals) {
    return positionals.error();
  }
  std::size_t i = 0;
  for (const Binding& binding : bindings) {
    for (const OptionSpec& spec : binding.set->options) {
      if (!is_on_command_line(spec)) {
        continue;
      }
      const std::vector<std::string>& values = splitter.values(i++);
      const std::size_t first = spec.is_repeated || values.empty() ? 0 : values.size() - 1;
      for (std::size_t v = first; v < values.size(); ++v) {
        if (Status status = assign(spec, binding.options, values[v], line); !status) {
          return status;
        }
      }
    }
  }
  if (Status status = assign_positionals(*positionals, bindings, line); !status) {
    return status;
  }
  for (const Binding& binding : bindings) {
    const bool in_properties = line.given.contains(binding.properties_key);
    for (const OptionSpec& spec : binding.set->options) {
      const bool is_given = line.given.contains(spec.key);
      if (in_properties && !spec.is_cli_only) {
        if (is_given) {
          Error error = usage(fmt::format("{} cannot be combined with --{}", display_name(spec),
                                          option_name(binding.properties_key)));
          error.hint = fmt::format("put {} in the properties", spec.key);
          return error;
        }
      } else if (spec.is_required && is_on_command_line(spec) && !is_given) {
        return usage(missing_argument(spec));
      }
    }
  }
  return {};
}

}  // namespace

std::string missing_argument(const OptionSpec& spec) {
  return fmt::format("{} is missing", display_name(spec));
}

std::string unexpected_argument(std::string_view argument) {
  return fmt::format("unexpected argument '{}'", argument);
}

Result<CommandLine> parse_command_line(const std::vector<std::string>& args,
                                       const std::vector<Binding>& bindings) {
  Splitter splitter;
  for (const Binding& binding : bindings) {
    for (const OptionSpec& spec : binding.set->options) {
      if (is_on_command_line(spec)) {
        splitter.add(spec);
      }
    }
  }
  Status status = splitter.split(args, false);
  CommandLine line;
  line.help = splitter.help();
  line.help_all = splitter.help_all();
  line.version = splitter.version();
  line.describe = splitter.describe();
  line.generate = splitter.generate();
  if (line.help || line.version || line.describe ||
      (!line.generate.empty() && line.generate != kGenerateNothing)) {
    return line;
  }
  if (status.ok()) {
    status = assign_all(splitter, bindings, line);
  }
  if (!status) {
    return status.error();
  }
  return line;
}

Result<std::size_t> first_positional(const std::vector<std::string>& args, const OptionSet& set) {
  Splitter splitter;
  for (const OptionSpec& spec : set.options) {
    splitter.add(spec);
  }
  const Status status = splitter.split(args, true);
  if (splitter.help() || splitter.version() || splitter.describe() ||
      !splitter.generate().empty()) {
    // `fl-sink --help hdfs` is help for hdfs.
    const auto rest = splitter.rest();
    const bool has_type = !rest.empty() && !looks_like_option(rest.front());
    return has_type ? args.size() - rest.size() : args.size();
  }
  if (!status) {
    return status.error();
  }
  const std::vector<std::string> rest = splitter.rest();
  if (rest.empty()) {
    return args.size();
  }
  if (rest.front() == "--") {
    return args.size() - rest.size() + 1;
  }
  if (looks_like_option(rest.front())) {
    Error error = splitter.unknown_option(rest.front());
    error.hint = "put a TYPE's options after the TYPE";
    return error;
  }
  return args.size() - rest.size();
}

}  // namespace fl
