#include "common/base/start.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

namespace fl {
namespace {

// Fixed, since there may be no memory when it is needed.
char program_name[64] = "fl";  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

[[noreturn]] void end_with(int status, const char* what, const char* hint) {
  char line[512];
  const int size = *hint == '\0' ? std::snprintf(line, sizeof line, "%s: %s\n", program_name, what)
                                 : std::snprintf(line, sizeof line, "%s: %s\n%s: %s\n",
                                                 program_name, what, program_name, hint);
  if (size > 0) {
    (void)!::write(STDERR_FILENO, line,
                   std::min<std::size_t>(sizeof line - 1, static_cast<std::size_t>(size)));
  }
  ::_exit(status);
}

[[noreturn]] void end_clearly() {
  constexpr auto kUnavailable = static_cast<int>(ErrorClass::unavailable);
  constexpr auto kBug = static_cast<int>(ErrorClass::bug);
  if (const std::exception_ptr exception = std::current_exception()) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::bad_alloc&) {
      end_with(kUnavailable, "out of memory",
               "allow more memory (ulimit -v), or choose smaller limits");
    } catch (const std::system_error& error) {
      end_with(kUnavailable, error.what(), "'ulimit -a' shows the limits");
    } catch (const std::exception& other) {
      end_with(kBug, other.what(), "");
    } catch (...) {}
  }
  end_with(kBug, "unexpected failure", "");
}

}  // namespace

bool is_limit(int number) { return number == EAGAIN || number == ENOMEM; }

Error refused_start(ErrorClass kind, std::string what, int number) {
  Error error = system_error(kind, std::move(what), number);
  if (is_limit(number)) {
    error.hint =
        "raise the limit of processes (ulimit -u), of memory (ulimit -v) or of the service";
  }
  return error;
}

Result<std::thread> start_thread(std::function<void()> work) {
  // Threads inherit the mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  int number = 0;
  try {
    thread = std::thread(std::move(work));
  } catch (const std::system_error& error) {
    number = error.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (number != 0) {
    return refused_start(ErrorClass::unavailable, "cannot start a thread", number);
  }
  return thread;
}

Status try_threads(unsigned count) {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_over = false;
  std::vector<std::thread> threads;
  threads.reserve(count);
  Status status;
  while (threads.size() < count && status) {
    Result<std::thread> thread = start_thread([&] {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&is_over] { return is_over; });
    });
    if (thread) {
      threads.push_back(std::move(*thread));
    } else {
      status = thread.error();
    }
  }
  {
    const std::lock_guard lock(mutex);
    is_over = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) {
    thread.join();
  }
  return status;
}

void end_clearly_on_exceptions(const std::string& program) {
  (void)std::snprintf(program_name, sizeof program_name, "%s", program.c_str());
  std::set_terminate(end_clearly);
}

}  // namespace fl
