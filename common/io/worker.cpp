#include "common/io/worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "common/base/start.h"

namespace fl {

Status Worker::open() {
  done_fd_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!done_fd_) {
    return system_error("cannot make an eventfd", errno);
  }
  Result<std::thread> thread = start_thread([this] { run(); });
  if (!thread) {
    return thread.error();
  }
  thread_ = std::move(*thread);
  return {};
}

void Worker::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_over_ || job_; });
    if (!job_) {
      return;
    }
    const Job job = std::exchange(job_, nullptr);
    lock.unlock();
    Status result = result_of(job);
    lock.lock();
    result_ = std::move(result);
    changed_.notify_all();
    const std::uint64_t one = 1;
    (void)!::write(done_fd_.get(), &one, sizeof one);
  }
}

Status Worker::result_of(const Job& job) {
  try {
    return job();
  } catch (const std::exception& exception) {
    return error_of(exception);
  }
}

void Worker::watch(PollSet& set) const {
  if (!is_busy_) {
    return;
  }
  if (thread_.joinable()) {
    set.add(done_fd_.get(), POLLIN);
  } else {
    set.wake_now();
  }
}

void Worker::start(Job job) {
  is_busy_ = true;
  if (!thread_.joinable() && !open()) {
    result_ = result_of(job);
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  job_ = std::move(job);
  changed_.notify_all();
}

std::optional<Status> Worker::take() {
  if (!is_busy_) {
    return std::nullopt;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!result_) {
    return std::nullopt;
  }
  std::uint64_t times = 0;
  (void)!::read(done_fd_.get(), &times, sizeof times);
  is_busy_ = false;
  return std::exchange(result_, std::nullopt);
}

Status Worker::wait() {
  if (!is_busy_) {
    return {};
  }
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return result_.has_value(); });
  }
  return *take();
}

void Worker::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace fl
