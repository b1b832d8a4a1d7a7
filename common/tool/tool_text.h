// What a tool says about itself and its components; all of it derived from the declarations.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/stage/metrics_text.h"
#include "common/tool/tool_main.h"

namespace fl {

/// A line of `fl-sink list`.
struct Listed {
  std::string name;
  std::string summary;
  std::vector<std::string> aliases = {};  ///< of built-in components
};

std::string version_text(const Tool& tool);

/// What stderr shows where a command line is missing.
std::string short_help(const Tool& tool);
std::string tool_help(const Tool& tool, const std::vector<Listed>& list);
/// `all`: with the options of every stage, not only its own.
std::string component_help(const Tool& tool, const ComponentType& type, bool all);
std::string command_help(const Tool& tool, const CommandType& command);
/// The first call of `type` in the examples, without what precedes and follows it in the pipeline;
/// "" if there is none.
std::string example_call(const Tool& tool, std::string_view type,
                         const std::vector<Example>& examples);
/// The types, and the subcommands below them.
std::string list_text(const Tool& tool, const std::vector<Listed>& list);

/// The pages as scdoc. `page_template`: a page with lines @EXAMPLES@, @COMPONENTS@, @OPTIONS@ and
/// @EXIT_STATUS@, and @VERSION@ anywhere.
std::string tool_page(const Tool& tool, const std::vector<Listed>& list,
                      std::string_view page_template);
std::string component_page(const Tool& tool, const ComponentType& type);
std::string command_page(const Tool& tool, const CommandType& command);

/// The bash completion of the tool. `arms`: completion_arm() of each component, those in programs
/// of their own included. `groups`: the names of those that are followed by -- and a chain of
/// others.
std::string completion(const Tool& tool, const std::vector<Listed>& list,
                       const std::vector<std::string>& arms,
                       const std::vector<std::string>& groups);
/// Lines of the completion's `case` for one component.
std::string completion_arm(const ComponentType& type);

/// The options that a subcommand has besides its own: those of a stage about its log lines.
OptionSet command_options();

/// Metrics as a list of a page.
std::string metrics_list(const std::vector<MetricHelp>& metrics);

/// Everything as one JSON object.
std::string tool_json(const Tool& tool, const std::vector<ComponentType>& components);

}  // namespace fl
