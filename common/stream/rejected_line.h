// A line that is too long to become an event: what is kept of it while its bytes pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// Gathers the bytes of a line that a reader drops, up to a bound, and hands its head and whole
/// length on when the line ends. One object serves one line after the other; between two lines it
/// holds no memory. Without a taker it counts the lines and gathers nothing.
class RejectedLine {
 public:
  /// Keeps a line. `head`: its first bytes, all of them if they are `length`; valid during the
  /// call.
  using Keep = std::function<Status(std::string_view head, std::uint64_t length)>;

  /// Lines are counted only.
  RejectedLine() = default;
  /// `bound`: the most bytes of one line that are gathered.
  RejectedLine(Keep keep, std::size_t bound) : keep_(std::move(keep)), bound_(bound) {}

  /// A line begins that is known to be too long.
  void begin();
  /// Its next bytes, in pieces of any size.
  void add(std::string_view bytes);
  /// The line is over. `strip_cr`: a carriage return at its end does not belong to it.
  Status end(bool strip_cr);

  /// Bytes of a line that has begun and will be kept, but has not ended.
  std::uint64_t pending() const { return keep_ ? length_ : 0; }
  /// Lines that nobody kept.
  std::uint64_t lost() const { return lost_; }

 private:
  Keep keep_;
  std::size_t bound_ = 0;
  std::string head_;
  std::uint64_t length_ = 0;
  char last_ = '\0';
  std::uint64_t lost_ = 0;
};

}  // namespace fl
