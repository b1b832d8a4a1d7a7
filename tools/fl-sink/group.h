// A group of sinks on the command line: TYPE WORDS... + TYPE WORDS...
#pragma once

#include <string>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// The words between the '+'. An empty member or fewer than two are left to the sink to refuse.
std::vector<std::vector<std::string>> split_members(const std::vector<std::string>& words);

}  // namespace fl
