#include "tools/fl-sink/hdfs/worker_pool.h"

#include <csignal>
#include <system_error>
#include <utility>

namespace fl {

Status WorkerPool::start() {
  const int number = threads_.empty() ? add_thread() : 0;
  if (number != 0) {
    Error error = system_error(ErrorClass::unavailable, "cannot start a thread", number);
    error.hint =
        "raise the limit of processes (ulimit -u), of memory (ulimit -v) or of the service";
    return error;
  }
  return {};
}

// 0, or the errno that says why there is no further thread.
int WorkerPool::add_thread() {
  // Threads inherit the mask: signals are for the main thread alone.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int number = 0;
  try {
    threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    number = error.code().value();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return number;
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
