// Calls of librdkafka that may never return, where a stage has to end.
#pragma once

#include <cstdint>
#include <functional>

namespace fl {

/// Calls `work` on a thread of its own and waits for its end, `ms` at most. False: it still runs,
/// and may do so until the process ends; everything that it touches must be its own.
bool ends_within(std::int64_t ms, std::function<void()> work);

/// From now on the process ends without the exit handlers of libraries, whose threads still run.
/// Its status stays what it is.
void leave_threads_behind();

}  // namespace fl
