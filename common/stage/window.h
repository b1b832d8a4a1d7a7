// What a source with state has sent and not got acknowledged (--window).
#pragma once

#include <cstdint>
#include <deque>

namespace fl {

/// Owns no events, only their sizes: a block counts from sent() until acked() has passed its last
/// event, since a source reads it again as a whole. Between calls bytes_ is the sum over open_. It
/// is bounded in bytes because the source keeps state for what is open, and a block is cut to what
/// is left; one request (want) is out at a time, or readers would sync for every block.
class Window {
 public:
  explicit Window(std::uint64_t bytes) : limit_(bytes) {}

  void sent(std::uint64_t events_in_all, std::uint64_t bytes) {
    open_.push_back({events_in_all, bytes});
    bytes_ += bytes;
    events_ = events_in_all;
  }
  void acked(std::uint64_t events) {
    acked_ = events;
    while (!open_.empty() && open_.front().events <= events) {
      bytes_ -= open_.front().bytes;
      open_.pop_front();
    }
  }
  /// Bytes that may still be sent; a block is cut to them. An event larger than the whole window
  /// goes alone.
  std::uint64_t room() const { return bytes_ < limit_ ? limit_ - bytes_ : 0; }
  /// Nothing more may be sent now.
  bool full() const { return bytes_ > 0 && bytes_ >= limit_; }
  /// The count to ask for now, 0: none. Asked for when three quarters are full, one `want` at a
  /// time, and whenever the source drains.
  std::uint64_t want(bool drains) {
    const bool due = drains || (bytes_ >= limit_ / 4 * 3 && (wanted_ <= acked_ || full()));
    if (!due || wanted_ >= events_) {
      return 0;
    }
    wanted_ = events_;
    return wanted_;
  }

 private:
  struct Part {
    std::uint64_t events;
    std::uint64_t bytes;
  };
  const std::uint64_t limit_;
  std::deque<Part> open_;
  std::uint64_t bytes_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t wanted_ = 0;
};

}  // namespace fl
