// The declaration of a subcommand (`fl-channel ls DIR`): declared like a component, run like ls(1).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/component/component_type.h"
#include "common/option/option_table.h"

namespace fl {

struct CommandType {
  std::string name;         ///< "ls"
  std::string summary;      ///< one line, lower case, no full stop
  std::string description;  ///< DESCRIPTION of the page; paragraphs separated by \n\n
  std::vector<Example> examples;
  OptionSet options;

  /// Returns the exit status, or an error, which the caller reports. `options` was made by
  /// options.make() and filled. Writes to stdout what was asked for, and nothing on failure but
  /// what it had already found.
  std::function<Result<int>(const std::shared_ptr<void>& options)> run;

  /// Set instead of `run` where stdout is a stream: the source that is run as a stage, with the
  /// options of every stage.
  std::optional<ComponentType> stage;
};

/// A command that runs `source`. Its options are in no Flume file.
inline CommandType stream_command(ComponentType source) {
  for (OptionSpec& spec : source.options.options) {
    spec.is_cli_only = true;
  }
  CommandType command;
  command.name = source.name;
  command.summary = source.summary;
  command.description = source.description;
  command.examples = source.examples;
  command.options = source.options;
  command.stage = std::move(source);
  return command;
}

/// Each command's .cpp defines `CommandType <name>_command()`, e.g. ls_command(), with _ for - in
/// its name; the tool's CMakeLists.txt registers it with `fl_command(channel ls)`, which generates
/// commands().
const std::vector<CommandType>& commands();

}  // namespace fl
