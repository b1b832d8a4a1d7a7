// A source's position, as a durable stage below it keeps it (fl-ack(7): pos, resume).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace fl {

/// A source's name for itself, which is the same in its next run, and its own words for a place in
/// what it reads. Both are any bytes; only the source interprets the words. It travels as "SOURCE
/// PLACE", each with everything but printable ASCII, blanks and '%' as %XX.
struct Position {
  static constexpr std::size_t kMaxBytes = 4096;  ///< as it travels

  std::string source;  ///< never empty
  std::string place;

  friend bool operator==(const Position&, const Position&) = default;

  /// Nothing if it has no source or would be longer than kMaxBytes.
  std::optional<std::string> text() const;
  /// Reads text() from another process; nothing if it is not a position.
  static std::optional<Position> parse(std::string_view text);
};

/// Positions with the count of events that reaches each, in order, until that many have come. It is
/// bounded whatever a peer sends: a full queue drops all that wait in favour of the newest. A
/// forgotten position loses nothing; after a crash the source begins at an older one.
class PositionQueue {
 public:
  static constexpr std::size_t kMost = 4096;
  static constexpr std::size_t kMostBytes = 256 << 10;

  /// A count below an earlier one is ignored with its position.
  void add(std::uint64_t events, Position position);
  /// The oldest one that the first `events` events reach, taken out of the queue.
  struct Entry {
    std::uint64_t events;
    Position position;
  };
  std::optional<Entry> take(std::uint64_t events);
  /// There is one that they reach.
  bool reached(std::uint64_t events) const {
    return !entries_.empty() && entries_.front().events <= events;
  }
  bool empty() const { return entries_.empty(); }

 private:
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::uint64_t last_ = 0;  // the count of the newest one
};

}  // namespace fl
