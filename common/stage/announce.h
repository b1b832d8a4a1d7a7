// A stage that fails before its stream began still tells the stages below why.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/ack/failure.h"

namespace fl {

/// Writes a stream's header whose metadata `fl.failed` holds the failure to each of `outs` ("-":
/// stdout) that is a pipe, FIFO or socket; not to a stdout that is the same file as stderr, which
/// people read. The header's `fl.ack` names a socket that refuses, so that a reader that does not
/// know `fl.failed` takes the stream for one whose writer died. Waits at most `wait_ms` for readers
/// of named pipes. Call once, after errors were logged; nothing else may have been written.
void announce_failure(const std::vector<std::string>& outs, const Failure& failure,
                      std::int64_t wait_ms);

}  // namespace fl
