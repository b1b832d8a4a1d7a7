// A thread for calls that block: one job at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// Runs jobs that were started by the stage's loop, each to its end. fd() becomes readable when the
/// result is there; take() gets it. What a job touches is its own from start() to take(). The
/// destructor waits for the job that runs.
class Worker {
 public:
  using Job = std::function<Status()>;

  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { stop(); }

  Status open();
  int fd() const { return done_fd_.get(); }
  /// A job was started and its result was not taken yet.
  bool busy() const { return is_busy_; }
  /// Never while busy().
  void start(Job job);
  /// The result of the job that has finished; nothing: none, or not yet.
  std::optional<Status> take();
  /// Waits for the job that runs and returns its result, which is taken. Ok if there is none.
  Status wait();
  /// Ends the thread, after the job that runs.
  void stop();

 private:
  void run();

  UniqueFd done_fd_;
  bool is_busy_ = false;  // of the loop
  std::thread thread_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  Job job_;
  std::optional<Status> result_;
  bool is_over_ = false;
};

}  // namespace fl
