// Which options of a group its sinks share.
#pragma once

#include <string>
#include <vector>

#include "common/component/component.h"

namespace fl {

/// The options of the stage that mean something for each sink of a group, as words of a command
/// line; without those that have their usual value, and those that the sink's own `words` give.
std::vector<std::string> member_options(const StageContext& context,
                                        const std::vector<std::string>& words);

}  // namespace fl
