// A batch: the events of one block, and what interceptors decided about them.
//
// Nothing is moved while interceptors look at it; edits are noted and done once, while the events
// are copied into the output block: a batch without edits goes on byte for byte, a run of unchanged
// neighbours is one copy.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/event.h"

namespace fl {

class Batch {
 public:
  /// An edit that would have made an event larger than the limits; the event stayed as it was.
  struct TooLarge {
    std::size_t event = 0;
    std::string why;  ///< what exceeds which limit
  };

  /// What put() does to an event that has the header.
  enum class Existing { keep, replace };

  /// Forgets events and edits; keeps the memory.
  void clear();
  /// Adds an event; its bytes outlive the batch's use.
  void add(const Event& event) {
    events_.push_back(event);
    body_bytes_ += event.size - event.body_offset;
    if (event.has_headers()) {
      ++have_headers_;
    }
  }

  std::size_t size() const { return events_.size(); }
  /// Of the bodies of the events that were added.
  std::uint64_t body_bytes() const { return body_bytes_; }
  /// The event as it is now, except for the headers of prefix(i).
  const Event& operator[](std::size_t i) const { return events_[i]; }

  bool kept(std::size_t i) const { return dropped_ == 0 || keep_[i]; }
  std::size_t dropped() const { return dropped_; }
  /// Event i goes no further.
  void drop(std::size_t i);

  /// Gives every event the header (valid UTF-8).
  void put(std::string_view key, std::string_view value, Existing existing);
  /// Gives event i the header (valid UTF-8).
  void put(std::size_t i, std::string_view key, std::string_view value, Existing existing);
  /// The header as it is after the edits so far. The view lives until the next edit.
  std::optional<std::string_view> header(std::size_t i, std::string_view key) const;
  /// All headers as they are after the edits so far, each key once.
  Headers headers(std::size_t i) const;
  /// Event i gets this body and keeps its headers.
  void set_body(std::size_t i, std::string_view body);
  /// Events with these bodies and event i's headers come after it. They and event i count as one:
  /// see join().
  void insert(std::size_t i, const std::vector<std::string_view>& bodies);
  /// What came in as these events is acknowledged when all of them are safe, not one by one.
  void join(std::size_t first, std::size_t last);
  /// Event i becomes this one.
  void replace(std::size_t i, const Headers& headers, std::string_view body);

  /// What an event may hold; until then the defaults. Survives clear().
  void set_limits(const EventLimits& limits) { limits_ = limits; }
  /// The edits refused since the last clear_too_large(); an event may be named more than once.
  const std::vector<TooLarge>& too_large() const { return too_large_; }
  void clear_too_large() { too_large_.clear(); }

  /// True when the block can go on byte for byte.
  bool unchanged() const { return dropped_ == 0 && puts_.empty() && rewritten_ == 0; }
  /// Bytes that precede event i's own in the output.
  std::string_view prefix(std::size_t i) const {
    return alone(i) ? std::string_view() : std::string_view(prefix_);
  }
  /// One flag per event; empty when all are kept.
  const std::vector<bool>& keep() const { return keep_; }
  /// How many events were added: size() without those that were inserted.
  std::size_t inputs() const { return events_.size() - inserted_; }
  /// How many of them are finished once event i and all before it are safe; empty: one each.
  const std::vector<std::uint32_t>& done() const { return done_; }

 private:
  // An event that cannot share the prefix, because it has one of its headers already, is
  // written out whole, into a piece of memory of this batch.
  bool alone(std::size_t i) const { return rewritten_ != 0 && alone_[i]; }
  // False: it is too large and noted.
  bool store(std::size_t i, std::string_view map, std::string_view body);
  bool fits(std::size_t i, std::string_view map, std::string_view body);
  bool fits_behind_prefix(std::size_t i);
  bool fits_alone(std::size_t i, std::string_view key, std::string_view value);
  void refuse(std::size_t i, std::string why);

  std::vector<Event> events_;
  std::vector<bool> keep_;
  std::vector<bool> alone_;
  std::vector<std::uint32_t> done_;
  std::size_t inserted_ = 0;
  std::size_t have_headers_ = 0;  // events that came with some
  std::uint64_t body_bytes_ = 0;
  std::size_t dropped_ = 0;
  std::size_t rewritten_ = 0;
  Headers puts_;
  std::string prefix_;
  EventLimits limits_;
  std::vector<TooLarge> too_large_;

  std::vector<std::unique_ptr<std::string>> pieces_;  // fixed once handed out
  std::size_t pieces_used_ = 0;
};

}  // namespace fl
