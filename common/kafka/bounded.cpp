#include "common/kafka/bounded.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "common/base/start.h"

namespace fl {
namespace {

struct End {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_over = false;
};

}  // namespace

bool ends_within(std::int64_t ms, std::function<void()> work) {
  const auto end = std::make_shared<End>();  // of this call and of the thread
  Result<std::thread> thread = start_thread([end, work]() mutable {
    work();
    work = nullptr;  // destroys what it owns before anybody is notified
    const std::lock_guard<std::mutex> lock(end->mutex);
    end->is_over = true;
    end->changed.notify_all();
  });
  if (!thread) {
    work();  // no more threads: run it without a bound
    return true;
  }
  work = nullptr;
  std::unique_lock<std::mutex> lock(end->mutex);
  const bool is_over =
      end->changed.wait_for(lock, std::chrono::milliseconds(ms), [&end] { return end->is_over; });
  lock.unlock();
  if (is_over) {
    thread->join();
  } else {
    thread->detach();
  }
  return is_over;
}

void leave_threads_behind() {
  // Handlers are called in the reverse order: this one before those of OpenSSL and of static
  // objects, which would be gone while threads use them.
  static const int registered = ::on_exit(
      [](int status, void*) {
        (void)std::fflush(nullptr);
        ::_exit(status);
      },
      nullptr);
  (void)registered;
}

}  // namespace fl
