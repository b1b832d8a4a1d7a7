// When a stage that makes no progress ends (--give-up-after).
#pragma once

#include <cstdint>

namespace fl {

/// A clock that runs while something is waited for and nothing moves. It is checked once a turn,
/// never for an event.
class GiveUp {
 public:
  /// `after_ms` 0: never.
  explicit GiveUp(std::int64_t after_ms) : after_ms_(after_ms) {}

  bool is_on() const { return after_ms_ > 0; }
  /// After each turn. `moved`: a sum of counts of which none falls, so that it changes whenever one
  /// of them does. `waits`: something is to happen that does not depend on more input. `works`:
  /// work is under way that must end before the stage gives up.
  void look(std::uint64_t moved, bool waits, bool works, std::int64_t now) {
    is_held_ = works;
    if (!waits) {
      deadline_ms_ = -1;
    } else if (deadline_ms_ < 0 || moved != moved_) {
      deadline_ms_ = now + after_ms_;
    }
    moved_ = moved;
  }
  bool is_due(std::int64_t now) const { return deadline_ms() >= 0 && now >= deadline_ms_; }
  /// When to look again; -1: there is no need to.
  std::int64_t deadline_ms() const { return is_held_ ? -1 : deadline_ms_; }

 private:
  const std::int64_t after_ms_;
  std::int64_t deadline_ms_ = -1;
  bool is_held_ = false;
  std::uint64_t moved_ = 0;
};

}  // namespace fl
