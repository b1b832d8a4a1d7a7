// Which records became which events, so that acknowledged events become offsets to commit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "common/kafka/slot.h"

namespace fl {

/// Events are counted over all partitions, in the order in which they are handed on; an
/// acknowledgement of the first n of them moves `safe` of the partitions that they came from, never
/// past a record whose event is not acknowledged, whatever the other partitions do.
///
/// Neighbouring offsets of one partition share an entry. A partition that was given up keeps its
/// entries until their events are acknowledged. full() is the bound: its user then hands on nothing
/// more until acknowledgements have made room.
class OffsetLedger {
 public:
  /// `most`: entries where full() begins.
  explicit OffsetLedger(std::size_t most = 1 << 18) : most_(most) {}

  /// The next event is the record at this offset, which is not below the slot's earlier ones.
  void add(const std::shared_ptr<KafkaSlot>& slot, std::int64_t offset);
  /// Nothing between the slot's last record and offset `next` becomes an event.
  void pass(const std::shared_ptr<KafkaSlot>& slot, std::int64_t next);
  /// The first n events are safe.
  void acknowledge(std::uint64_t n);

  std::uint64_t events() const { return events_; }
  bool full() const { return entries_.size() >= most_; }

 private:
  /// `count` records from offset `first` on, one after the other, are the last events before number
  /// `end`. What lies between them and `next` is safe with them.
  struct Entry {
    std::shared_ptr<KafkaSlot> slot;
    std::uint64_t end = 0;
    std::uint64_t count = 0;
    std::int64_t first = 0;
    std::int64_t next = 0;
  };

  const std::size_t most_;
  std::deque<Entry> entries_;
  std::uint64_t events_ = 0;
};

}  // namespace fl
