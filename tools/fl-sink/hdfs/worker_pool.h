// A few threads for what may block: syncs and uploads.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// Threads have all signals blocked. Used from one thread. The first starts with start(), the
/// others when there is a job for them; a system that has no room for those leaves it at fewer.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t threads) : limit_(threads == 0 ? 1 : threads) {}
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool() { finish(false); }

  /// Before the first submit(). Errors: unavailable, the system has no room for a thread.
  Status start();
  void submit(std::function<void()> job);
  /// Joins the threads after their current job; queued jobs are run before or forgotten.
  void finish(bool run_queued);

 private:
  Status add_thread();
  void work();

  const std::size_t limit_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace fl
