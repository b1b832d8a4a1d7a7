// The escapes of a path that stand for a part of a time: %Y, %H, %s ... (flume/sinks.md "Escape
// sequences").
#pragma once

#include <string>

#include "common/event/path_clock.h"

namespace fl {

/// In what steps the text of %`letter` changes; never: that is no escape.
PathTimeStep step_of(char letter);

/// Appends what %`letter` stands for.
void append_time(std::string& out, char letter, const PathClock::Moment& moment);

}  // namespace fl
