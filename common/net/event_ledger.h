// Which events belong to which client, so that each reply goes out when its events are safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

namespace fl {

/// The ledger of a source whose clients wait for replies. Clients send requests; a request holds
/// any number of events (a line: one, a batch: many, an empty batch: none) and gets one reply, when
/// all of its events are acknowledged. Acknowledgements are cumulative over all clients, "the first
/// n events"; the ledger turns them into "client c is due r more replies". Requests of one client
/// become due in the order in which they were added.
///
/// It owns numbers only: what a reply says, and whether the client still exists, is its user's
/// business. Clients that have gone stay in it until their events are acknowledged.
///
/// Neighbouring requests of one client with the same number of events share an entry, so a client
/// that sends many lines at a time costs one. full() is the bound: its user then takes no more
/// requests (back-pressure) until acknowledgements have made room.
class EventLedger {
 public:
  /// `max_entries`: where full() begins; an entry is 32 bytes.
  explicit EventLedger(std::size_t max_entries = 1 << 16) : max_entries_(max_entries) {}

  /// The client's next request: its `events` events are the next ones of the source. A request
  /// without events is due as soon as all that was added before it is acknowledged.
  void add(std::uint64_t client, std::uint64_t events);

  /// The first n events of the source are safe. Calls `due` for each client with the number of
  /// replies that it may be sent now, in order; several times for one client if others came
  /// between. `due` must not call the ledger.
  void acknowledge(std::uint64_t n,
                   const std::function<void(std::uint64_t client, std::uint64_t replies)>& due);

  /// Events of all requests so far.
  std::uint64_t events() const { return events_; }
  bool empty() const { return entries_.empty(); }
  bool full() const { return entries_.size() >= max_entries_; }

 private:
  /// `requests` of one client in a row, each of `events` events, the first of them number `begin`.
  struct Entry {
    std::uint64_t begin = 0;
    std::uint64_t client = 0;
    std::uint64_t events = 0;
    std::uint64_t requests = 0;
  };

  const std::size_t max_entries_;
  std::deque<Entry> entries_;
  std::uint64_t events_ = 0;
};

}  // namespace fl
