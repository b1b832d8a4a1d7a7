// Collects encoded events into one block of a stream.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "common/event/event.h"

namespace fl {

/// An outgoing block: `size` bytes of `count` encoded events at `data`. At least kBefore writable
/// bytes precede `data` and kAfter follow data + size, so that count, size and marker are put
/// around it without moving it.
struct Block {
  static constexpr std::size_t kBefore = 20;
  static constexpr std::size_t kAfter = 16;
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  std::uint64_t count = 0;
};

/// Owns the memory of one block, with room for a frame around it, and keeps it for the next.
/// Filling (fits() says how long) until clear(). Between calls the memory holds `count` whole
/// events from Block::kBefore on; block() is a view that ends with the next add or clear(). A block
/// is at most one event larger than the limit, so an event of any legal size can travel.
class BlockBuilder {
 public:
  static constexpr std::uint64_t kMaxCount = 1000;

  /// `limit`: bytes of events at which a block is full: what a pipe takes in one write.
  explicit BlockBuilder(std::size_t limit = 64 << 10);
  void set_limit(std::size_t limit);

  bool empty() const { return count_ == 0; }
  std::uint64_t count() const { return count_; }
  std::size_t size() const { return size_; }
  /// Of the bodies of all events; looks at each of them if some came encoded.
  std::uint64_t body_bytes() const { return has_encoded_ ? scanned_body_bytes() : body_bytes_; }
  /// True when no further event should be added before take().
  bool full() const { return size_ >= limit_ || count_ >= kMaxCount; }
  /// True if an event of `bytes` fits: always into an empty block (then larger than the limit).
  bool fits(std::size_t bytes) const {
    return count_ == 0 || (size_ + bytes <= limit_ && count_ < kMaxCount);
  }

  /// True if `count` more events of `bytes` together fit without passing a limit.
  bool fits_run(std::size_t bytes, std::uint64_t count) const {
    return size_ + bytes <= limit_ && count_ + count <= kMaxCount;
  }

  /// Adds an event from its parts: an encoded header map (its end included; empty means no
  /// headers) and the body. The caller has asked fits(event_size(...)).
  void add(std::string_view map, std::string_view body);
  static std::size_t event_size(std::string_view map, std::string_view body);
  /// Adds `count` encoded events, with `prefix` in front of the first.
  void add_encoded(std::string_view prefix, std::string_view bytes, std::uint64_t count = 1) {
    std::uint8_t* const p = room(prefix.size() + bytes.size());
    copy_short(p, prefix);
    std::memcpy(p + prefix.size(), bytes.data(), bytes.size());
    size_ += prefix.size() + bytes.size();
    count_ += count;
    has_encoded_ = true;
  }

  /// The block collected so far. It stays valid until clear().
  Block block() { return {data_ ? data_.get() + Block::kBefore : nullptr, size_, count_}; }
  void clear();

 private:
  std::uint8_t* room(std::size_t bytes) {
    if (Block::kBefore + size_ + bytes + Block::kAfter > capacity_) {
      grow(bytes);
    }
    return data_.get() + Block::kBefore + size_;
  }
  void grow(std::size_t bytes);
  std::uint64_t scanned_body_bytes() const;

  // Most prefixes are one header: two overlapping copies of a fixed size need no call.
  static void copy_short(std::uint8_t* to, std::string_view bytes) {
    const std::size_t size = bytes.size();
    if (size >= 16 && size <= 32) {
      std::memcpy(to, bytes.data(), 16);
      std::memcpy(to + size - 16, bytes.data() + size - 16, 16);
    } else if (size != 0) {
      std::memcpy(to, bytes.data(), size);
    }
  }

  std::size_t limit_;
  std::size_t capacity_ = 0;
  std::unique_ptr<std::uint8_t[]> data_;
  std::size_t size_ = 0;
  std::uint64_t count_ = 0;
  std::uint64_t body_bytes_ = 0;  // of the events that came as parts
  bool has_encoded_ = false;
};

}  // namespace fl
