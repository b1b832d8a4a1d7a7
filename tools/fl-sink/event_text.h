// Events as text for people.
#pragma once

#include <cstdint>
#include <string>

#include "common/event/event.h"
#include "common/event/java_map.h"

namespace fl {

/// Flume's logger line without newline: `Event: { headers:{k=v} body: HEX CHARACTERS }`:
/// at most `max_bytes` of the body, 16 in a row, rows after the first on
/// lines of their own after their offset. Headers are in Java's order; what could harm a terminal
/// is escaped as \xNN. `map` is scratch.
void append_logger_text(std::string& out, const Event& event, std::uint64_t max_bytes,
                        JavaMap& map);

}  // namespace fl
