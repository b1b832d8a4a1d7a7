#include "tools/fl-sink/hdfs/worker_pool.h"

#include <utility>

#include "common/base/start.h"

namespace fl {

Status WorkerPool::start() { return threads_.empty() ? add_thread() : Status(); }

Status WorkerPool::add_thread() {
  Result<std::thread> thread = start_thread([this] { work(); });
  if (!thread) {
    return thread.error();
  }
  threads_.push_back(std::move(*thread));
  return {};
}

void WorkerPool::submit(std::function<void()> job) {
  bool is_short = false;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    is_short = jobs_.size() > idle_ && threads_.size() < limit_;
  }
  if (is_short) {
    (void)add_thread();  // without it the job waits for those that are there
  }
  wake_.notify_one();
}

void WorkerPool::finish(bool run_queued) {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (!run_queued) {
      jobs_.clear();
    }
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
  jobs_.clear();
  stop_ = false;
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    --idle_;
    if (jobs_.empty()) {
      return;
    }
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace fl
