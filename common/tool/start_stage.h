// Starts a stage from components and their options.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/component/stage_options.h"
#include "common/tool/tool_main.h"

namespace fl {

/// A component with its options, as the command line gives them.
struct ChosenType {
  const ComponentType* type = nullptr;
  std::shared_ptr<void> options;
};

/// Runs the chain as one stage called `name` and returns its exit status. Errors: options of the
/// stage that have no meaning for this tool; nothing to read but a terminal.
Result<int> start_stage(const Tool& tool, const std::string& name, const StageOptions& options,
                        const std::vector<ChosenType>& chain);

}  // namespace fl
