// The descriptors of one round of poll(2).
#pragma once

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "common/base/clock.h"

namespace fl {

class PollSet {
 public:
  void clear() {
    entries_.clear();
    deadline_ms_ = -1;
  }
  /// Watches fd for `events` (0: only errors and hang-up). Returns the index for revents().
  int add(int fd, short events) {
    entries_.push_back({fd, events, 0});
    return static_cast<int>(entries_.size()) - 1;
  }
  /// Wakes up at this monotonic time at the latest; negative: no limit.
  void wake_at(std::int64_t deadline_ms) {
    if (deadline_ms >= 0 && (deadline_ms_ < 0 || deadline_ms < deadline_ms_)) {
      deadline_ms_ = deadline_ms;
    }
  }
  bool empty() const { return entries_.empty(); }
  void wake_now() { deadline_ms_ = 0; }
  /// Waits. A signal ends the wait.
  void wait() {
    int timeout = -1;
    if (deadline_ms_ == 0) {
      timeout = 0;
    } else if (deadline_ms_ > 0) {
      timeout =
          static_cast<int>(std::clamp<std::int64_t>(deadline_ms_ - monotonic_ms(), 0, 60'000));
    }
    if (timeout > 0 && ManualClock::exists() && poll(entries_.data(), entries_.size(), 0) == 0) {
      ManualClock::move_to(deadline_ms_);
      timeout = 0;
    }
    if (poll(entries_.data(), entries_.size(), timeout) <= 0) {
      for (auto& entry : entries_) {
        entry.revents = 0;
      }
    }
  }
  short revents(int index) const {
    return index < 0 ? short{0} : entries_[static_cast<std::size_t>(index)].revents;
  }

 private:
  std::vector<pollfd> entries_;
  std::int64_t deadline_ms_ = -1;
};

/// What poll(2) says of one descriptor right now.
inline short poll_now(int fd, short events) {
  pollfd entry{fd, events, 0};
  return poll(&entry, 1, 0) > 0 ? entry.revents : short{0};
}

}  // namespace fl
