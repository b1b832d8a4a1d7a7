#include "common/stream/block_builder.h"

#include <algorithm>

#include "common/event/varint.h"

namespace fl {

BlockBuilder::BlockBuilder(std::size_t limit) : limit_(limit) {}

void BlockBuilder::set_limit(std::size_t limit) { limit_ = limit; }

void BlockBuilder::grow(std::size_t bytes) {
  const std::size_t need = Block::kBefore + size_ + bytes + Block::kAfter;
  const std::size_t usual = limit_ + Block::kBefore + Block::kAfter;
  const std::size_t capacity = std::max(need, std::max(usual, size_ == 0 ? 0 : 2 * size_));
  auto data = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
  if (size_ != 0) {
    std::memcpy(data.get() + Block::kBefore, data_.get() + Block::kBefore, size_);
  }
  data_ = std::move(data);
  capacity_ = capacity;
}

std::size_t BlockBuilder::event_size(std::string_view map, std::string_view body) {
  return std::max<std::size_t>(map.size(), 1) +
         varint_size(static_cast<std::int64_t>(body.size())) + body.size();
}

void BlockBuilder::add(std::string_view map, std::string_view body) {
  std::uint8_t* const begin = room(map.size() + 1 + kMaxVarint + body.size());
  std::uint8_t* p = begin;
  if (map.empty()) {
    *p++ = 0;
  } else {
    std::memcpy(p, map.data(), map.size());
    p += map.size();
  }
  p = write_varint(p, static_cast<std::int64_t>(body.size()));
  if (!body.empty()) {
    std::memcpy(p, body.data(), body.size());
    p += body.size();
  }
  size_ += static_cast<std::size_t>(p - begin);
  body_bytes_ += body.size();
  ++count_;
}

void BlockBuilder::clear() {
  size_ = 0;
  count_ = 0;
  body_bytes_ = 0;
  has_encoded_ = false;
  if (capacity_ > 4 * (limit_ + Block::kBefore + Block::kAfter)) {  // after an oversized event
    data_.reset();
    capacity_ = 0;
  }
}

std::uint64_t BlockBuilder::scanned_body_bytes() const {
  constexpr EventLimits kAny{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
  std::uint64_t total = 0;
  const std::uint8_t* p = data_ ? data_.get() + Block::kBefore : nullptr;
  const std::uint8_t* const end = p + size_;
  const char* why = "";
  for (Event event; p != nullptr && p != end;) {
    p = scan_event(p, end, kAny, event, why);
    total += p == nullptr ? 0 : event.body().size();
  }
  return total;
}

}  // namespace fl
