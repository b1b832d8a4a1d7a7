// What the first event tells of a pattern that makes names of headers.
#pragma once

#include <string>
#include <vector>

#include "common/event/event.h"

namespace fl {

/// Warns of headers in `wanted` that the first event lacks, and, if it is `timed`, of a timestamp
/// that looks like seconds.
void look_at_first(const Event& event, const std::vector<std::string>& wanted, bool timed);

}  // namespace fl
