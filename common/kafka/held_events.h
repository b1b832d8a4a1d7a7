// The events in flight: their bytes, and which of them have arrived.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "common/base/completions.h"
#include "common/event/batch.h"

namespace fl {

/// Events have numbers in the order in which they came. Bytes stay where they are until all events
/// up to those of their batch have ended, since the sender has only pointers.
class HeldEvents {
 public:
  /// What an event costs besides its bytes, here and in the library.
  static constexpr std::size_t kPerEvent = 200;

  /// Copies the events; returns the number of the first.
  std::uint64_t add(const Batch& batch);
  /// Room for `size` bytes that stay as long as the last batch.
  std::uint8_t* allocate(std::size_t size);
  /// One of those that are held.
  const Event& operator[](std::uint64_t number) const;
  /// It has arrived, or will never.
  void complete(std::uint64_t number);
  /// The first n events have ended.
  std::uint64_t prefix() const { return ended_.prefix(); }
  std::uint64_t open() const { return ended_.open(); }
  std::size_t bytes() const { return bytes_; }
  void clear();

 private:
  struct Held {
    std::uint64_t first = 0;
    std::size_t bytes = 0;
    std::vector<Event> events;
    std::vector<std::unique_ptr<std::uint8_t[]>> pieces;
    std::uint8_t* free = nullptr;
    std::size_t left = 0;
  };

  Completions ended_;
  std::deque<Held> batches_;
  std::size_t bytes_ = 0;
};

}  // namespace fl
