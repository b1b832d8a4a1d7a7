// The escapes of a path that stand for a part of a time: %Y, %H, %s ..., the set that Flume's hdfs
// sink knows.
#pragma once

#include <string>
#include <string_view>

#include "common/event/path_clock.h"

namespace fl {

/// In what steps the text of %`letter` changes; never: that is not an escape.
PathTimeStep step_of(char letter);

/// Appends what %`letter` stands for. HDFS refuses ':' in names, so in a path it is escaped.
void append_time(std::string& out, char letter, const PathClock::Moment& moment,
                 std::string_view colon = "%3A");

}  // namespace fl
