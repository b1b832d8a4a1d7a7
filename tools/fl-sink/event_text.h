// Events as text for people and for scripts.
#pragma once

#include <cstdint>
#include <string>

#include "common/event/event.h"
#include "common/event/java_map.h"

namespace fl {

/// Flume's logger line without newline: `Event: { headers:{k=v} body: HEX CHARACTERS }`
/// (flume/sinks.md, logger): at most `max_bytes` of the body, 16 in a row, rows after the first on
/// lines of their own behind their offset. Headers stand in Java's order; what could harm a
/// terminal is escaped as \xNN. `map` is scratch.
void append_logger_text(std::string& out, const Event& event, std::uint64_t max_bytes,
                        JavaMap& map);

/// One JSON object without newline: {"headers":{"k":"v"},"body":"text"}; a body that is not valid
/// UTF-8 is "body64" in base 64 instead. Each header once, in order of first appearance.
void append_json_text(std::string& out, const Event& event);

}  // namespace fl
