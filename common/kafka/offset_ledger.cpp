#include "common/kafka/offset_ledger.h"

#include <algorithm>

namespace fl {

void OffsetLedger::add(const std::shared_ptr<KafkaSlot>& slot, std::int64_t offset) {
  ++events_;
  ++slot->in_flight;
  if (!entries_.empty()) {
    Entry& last = entries_.back();
    if (last.slot == slot && last.next == offset &&
        last.first + static_cast<std::int64_t>(last.count) == offset) {
      ++last.count;
      last.end = events_;
      last.next = offset + 1;
      return;
    }
  }
  entries_.push_back({slot, events_, 1, offset, offset + 1});
  ++slot->entries;
}

void OffsetLedger::pass(const std::shared_ptr<KafkaSlot>& slot, std::int64_t next) {
  if (slot->entries == 0) {
    slot->safe = std::max(slot->safe, next);
  } else if (entries_.back().slot == slot) {
    entries_.back().next = std::max(entries_.back().next, next);
  } else {
    entries_.push_back({slot, events_, 0, next, next});
    ++slot->entries;
  }
}

void OffsetLedger::acknowledge(std::uint64_t n) {
  while (!entries_.empty() && entries_.front().end <= n) {
    const Entry& first = entries_.front();
    first.slot->safe = std::max(first.slot->safe, first.next);
    first.slot->in_flight -= first.count;
    --first.slot->entries;
    entries_.pop_front();
  }
  if (entries_.empty()) {
    return;
  }
  Entry& first = entries_.front();
  if (const std::uint64_t begin = first.end - first.count; n > begin) {
    const std::uint64_t part = n - begin;
    first.first += static_cast<std::int64_t>(part);
    first.count -= part;
    first.slot->in_flight -= part;
    first.slot->safe = std::max(first.slot->safe, first.first);
  }
}

}  // namespace fl
