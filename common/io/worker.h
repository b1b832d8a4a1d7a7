// A thread for calls that block: one job at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/poll_set.h"

namespace fl {

/// Runs jobs that were started by the stage's loop, each to its end. The loop wakes up when the
/// result is there (watch()); take() gets it. What a job touches is its own from start() to take().
/// The destructor waits for the job that runs.
class Worker {
 public:
  using Job = std::function<Status()>;

  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker() { stop(); }

  /// Starts the thread.
  Status open();
  /// Adds what wakes the loop while a job runs.
  void watch(PollSet& set) const;
  /// A job was started and its result was not taken yet.
  bool busy() const { return is_busy_; }
  /// Never while busy(). The first one starts the thread, unless it was opened; where the system
  /// lets us have none, the caller waits for the job instead.
  void start(Job job);
  /// The result of the job that has finished; nothing: none, or not yet.
  std::optional<Status> take();
  /// Waits for the job that runs and returns its result, which is taken. Ok if there is none.
  Status wait();
  /// Ends the thread, after the job that runs.
  void stop();

 private:
  void run();
  static Status result_of(const Job& job);

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
