// Time: the wall clock for what a user sees, the monotonic clock for every wait.
#pragma once

#include <cstdint>

namespace fl {

/// Milliseconds since 1970-01-01T00:00:00Z by the wall clock; may jump.
std::int64_t wall_ms();
/// Milliseconds by the monotonic clock; never jumps. Only differences mean something.
std::int64_t monotonic_ms();

/// For tests. While there is one (at most one at a time) the monotonic clock stands still unless it
/// is moved, and PollSet::wait() waits for no time: where no descriptor is ready, its deadline
/// comes at once.
class ManualClock {
 public:
  ManualClock();
  ~ManualClock();
  ManualClock(const ManualClock&) = delete;
  ManualClock& operator=(const ManualClock&) = delete;
  void advance(std::int64_t ms);

  /// False: time passes by itself. True: it is `ms` now, or later.
  static bool move_to(std::int64_t ms);
  static bool exists();
};

}  // namespace fl
