// The main of every tool: finds the component, reads the command line, answers --help and its kin,
// and hands a Plan to the runner.
#pragma once

#include <string>
#include <vector>

#include "common/component/command_type.h"
#include "common/component/component_type.h"

namespace fl {

struct Tool {
  std::string name;  ///< "fl-sink"
  ComponentKind kind = ComponentKind::sink;
  std::string component;  ///< of a program of its own (fl-sink-hdfs): "hdfs"; else empty
  std::string summary;    ///< one line, lower case, no full stop
  std::vector<Example> examples;
  const std::vector<CommandType>* commands = &fl::commands();   ///< its subcommands
  const std::vector<AbsentType>* absent = &fl::absent_types();  ///< what it was built without
};

/// Runs the tool and returns the exit status. `components`: what is built into this program.
int tool_main(const Tool& tool, const std::vector<ComponentType>& components, int argc,
              char** argv);

}  // namespace fl
