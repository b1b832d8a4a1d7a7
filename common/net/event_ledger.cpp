#include "common/net/event_ledger.h"

#include <algorithm>

namespace fl {

void EventLedger::add(std::uint64_t client, std::uint64_t events) {
  if (entries_.empty() || entries_.back().client != client || entries_.back().events != events) {
    entries_.push_back({events_, client, events, 0});
  }
  ++entries_.back().requests;
  events_ += events;
}

void EventLedger::acknowledge(
    std::uint64_t n, const std::function<void(std::uint64_t client, std::uint64_t replies)>& due) {
  while (!entries_.empty() && entries_.front().begin <= n) {
    Entry& entry = entries_.front();
    const std::uint64_t covered =
        entry.events == 0 ? entry.requests : (n - entry.begin) / entry.events;
    const std::uint64_t replies = std::min(covered, entry.requests);
    if (replies > 0) {
      due(entry.client, replies);
    }
    entry.begin += replies * entry.events;
    entry.requests -= replies;
    if (entry.requests > 0) {
      return;
    }
    entries_.pop_front();
  }
}

}  // namespace fl
