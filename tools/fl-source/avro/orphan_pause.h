// When requests are taken again after clients have gone whose events are not acknowledged yet.
#pragma once

#include <algorithm>
#include <cstdint>

namespace fl {

/// A client that has given up sends its events again, soon, on another connection: taken then, they
/// would be delivered twice. So nothing is taken until what such clients have left behind (the
/// orphans) is acknowledged, or until a pause is over. The pause doubles, from half a minute to ten
/// minutes, until all orphans are acknowledged.
///
/// Events are counted from the start of the source; times are monotonic, in milliseconds.
class OrphanPause {
 public:
  /// A client has gone before the last of the first `events` was acknowledged; `acked` of them
  /// were.
  void left_behind(std::uint64_t events, std::uint64_t acked, std::int64_t now_ms) {
    if (acked >= end_ || now_ms >= until_ms_) {
      until_ms_ = now_ms + next_ms_;
      next_ms_ = std::min(2 * next_ms_, kMostMs);
    }
    end_ = events;
  }
  /// The first `acked` events are acknowledged.
  void acknowledged(std::uint64_t acked) {
    if (acked >= end_) {
      next_ms_ = kFirstMs;
    }
  }
  bool holds(std::uint64_t acked, std::int64_t now_ms) const {
    return acked < end_ && now_ms < until_ms_;
  }
  /// Its end, if it holds.
  std::int64_t until_ms() const { return until_ms_; }

 private:
  static constexpr std::int64_t kFirstMs = 30'000;
  static constexpr std::int64_t kMostMs = 600'000;

  std::uint64_t end_ = 0;  // orphans are among the events before
  std::int64_t until_ms_ = 0;
  std::int64_t next_ms_ = kFirstMs;
};

}  // namespace fl
