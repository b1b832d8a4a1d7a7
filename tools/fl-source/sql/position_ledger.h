// Which row is the last one that is delivered.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "tools/fl-source/sql/key.h"

namespace fl {

/// Places of rows that were handed on and are not acknowledged. Bounded: beyond kExact only the
/// last one of each block is kept, so that after a failure part of one block comes again.
class SqlPositionLedger {
 public:
  static constexpr std::size_t kExact = 1 << 16;

  struct Entry {
    std::uint64_t events = 0;  ///< handed on up to here
    std::uint64_t rows = 0;    ///< more than events where rows were rejected
    SqlPlace place;
  };

  /// The row after which `events` were handed on. `ends_block`: no other event follows in its
  /// block.
  void add(std::uint64_t events, std::uint64_t rows, SqlPlace place, bool ends_block) {
    if (entries_.size() < kExact || ends_block) {
      entries_.push_back({events, rows, std::move(place)});
    }
  }
  /// The first `events` events are safe. The last row that is, if that is news.
  std::optional<Entry> acked(std::uint64_t events) {
    std::optional<Entry> last;
    while (!entries_.empty() && entries_.front().events <= events) {
      last = std::move(entries_.front());
      entries_.pop_front();
    }
    return last;
  }
  std::size_t size() const { return entries_.size(); }

 private:
  std::deque<Entry> entries_;
};

}  // namespace fl
