#include "tools/fl-sink/hdfs/worker_pool.h"

#include <csignal>
#include <utility>

namespace fl {

void WorkerPool::submit(std::function<void()> job) {
  bool start = false;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    start = jobs_.size() > idle_ && threads_.size() < limit_;
  }
  if (start) {
    // Threads inherit the mask: signals are for the main thread alone.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    threads_.emplace_back([this] { work(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
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
