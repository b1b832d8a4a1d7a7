// The numbers that events have in a durable log above, as they travel (fl-ack(7): number).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace fl {

/// Which event of which log. Together they name an event for as long as the log exists.
struct EventNumber {
  static constexpr std::size_t kLogDigits = 32;

  std::string log;  ///< its id, 32 hexadecimal digits
  std::uint64_t number = 0;

  friend bool operator==(const EventNumber&, const EventNumber&) = default;
  EventNumber plus(std::uint64_t n) const { return {log, number + n}; }

  /// "LOG NUMBER".
  std::string text() const;
  /// Reads text() from another process; nothing if it is not a number.
  static std::optional<EventNumber> parse(std::string_view text);
};

/// The numbers of the events of one stream. A mark gives it for one event and all after it, up to
/// the next mark. Bounded whatever a peer sends: too many marks, or one that goes back, break the
/// map, and it knows no number from then on.
class NumberMap {
 public:
  static constexpr std::size_t kMost = 4096;

  /// The event `n` of the stream, counted from 0, has this number; nothing: it is not known. A mark
  /// that adds nothing is not kept.
  void mark(std::uint64_t n, std::optional<EventNumber> number);
  std::optional<EventNumber> of(std::uint64_t n) const;
  /// The first event after `n` that has a mark; UINT64_MAX: none.
  std::uint64_t next_mark(std::uint64_t n) const;
  /// Nobody will ask for events before `n`.
  void forget(std::uint64_t n);

 private:
  struct Mark {
    std::uint64_t at;
    std::optional<EventNumber> number;
  };
  std::deque<Mark>::const_iterator after(std::uint64_t n) const;  // the first mark after n

  std::deque<Mark> marks_;
  bool is_broken_ = false;
};

}  // namespace fl
