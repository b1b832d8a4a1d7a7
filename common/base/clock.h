// Time: the wall clock for what a user sees, the monotonic clock for every wait.
#pragma once

#include <cstdint>

namespace fl {

/// Milliseconds since 1970-01-01T00:00:00Z by the wall clock; may jump.
std::int64_t wall_ms();
/// Milliseconds by the monotonic clock; never jumps. Only differences mean something.
std::int64_t monotonic_ms();

}  // namespace fl
