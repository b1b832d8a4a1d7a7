#include "common/kafka/held_events.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace fl {
namespace {

constexpr std::size_t kPiece = 64 << 10;

std::size_t size_of(const Batch& batch) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    size += batch[i].size;
  }
  return size;
}

}  // namespace

std::uint64_t HeldEvents::add(const Batch& batch) {
  const std::uint64_t first = ended_.added();
  if (batch.size() == 0) {
    return first;
  }
  Held held;
  held.first = first;
  held.events.reserve(batch.size());
  batches_.push_back(std::move(held));
  Held& added = batches_.back();
  std::uint8_t* to = allocate(std::max<std::size_t>(size_of(batch), 1));
  for (std::size_t i = 0; i < batch.size();) {
    // A run of adjacent events.
    const std::uint8_t* const begin = batch[i].data;
    const std::uint8_t* end = begin;
    for (; i < batch.size() && batch[i].data == end; ++i) {
      Event event = batch[i];
      event.data = to + (end - begin);
      added.events.push_back(event);
      end += event.size;
    }
    std::memcpy(to, begin, static_cast<std::size_t>(end - begin));
    to += end - begin;
  }
  const std::size_t costs = batch.size() * kPerEvent;
  added.bytes += costs;
  bytes_ += costs;
  ended_.add(batch.size());
  return first;
}

std::uint8_t* HeldEvents::allocate(std::size_t size) {
  Held& held = batches_.back();
  if (held.left < size) {
    // The first piece is as large as the batch; further ones are for what is made of it.
    const std::size_t piece = held.pieces.empty() ? size : std::max(size, kPiece);
    held.pieces.push_back(std::make_unique_for_overwrite<std::uint8_t[]>(piece));
    held.free = held.pieces.back().get();
    held.left = piece;
    held.bytes += piece;
    bytes_ += piece;
  }
  held.left -= size;
  return std::exchange(held.free, held.free + size);
}

const Event& HeldEvents::operator[](std::uint64_t number) const {
  if (const Held& last = batches_.back(); number >= last.first) {
    return last.events[number - last.first];  // it has just come
  }
  const auto behind =
      std::upper_bound(batches_.begin(), batches_.end(), number,
                       [](std::uint64_t n, const Held& held) { return n < held.first; });
  const Held& held = *std::prev(behind);
  return held.events[number - held.first];
}

void HeldEvents::complete(std::uint64_t number) {
  (void)ended_.complete(number);
  while (!batches_.empty() &&
         ended_.prefix() >= batches_.front().first + batches_.front().events.size()) {
    bytes_ -= batches_.front().bytes;
    batches_.pop_front();
  }
}

void HeldEvents::clear() {
  batches_.clear();
  bytes_ = 0;
}

}  // namespace fl
