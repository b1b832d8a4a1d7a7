// Threads and processes, which the system may have no room for.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "common/base/error.h"

namespace fl {

/// True for an errno of fork(2), clone(2) or execve(2) that means that a limit was reached.
bool is_limit(int number);

/// "`what`: <strerror(number)>" for a thread or process that was refused; the hint names the limits
/// to raise if one was reached.
Error refused_start(ErrorClass kind, std::string what, int number);

/// A thread with all signals blocked: they are for the main thread. Errors: class unavailable, the
/// system has no room for it.
Result<std::thread> start_thread(std::function<void()> work);

/// Ok if the system has room for so many threads at once, now. For libraries that do not survive
/// that it has not.
Status try_threads(unsigned count);

/// From now on an exception that nobody catches, in any thread, ends the process with a line about
/// it and a status: 69 for lack of memory or threads, else 70. `program`: for the line; kept.
void end_clearly_on_exceptions(const std::string& program);

}  // namespace fl
