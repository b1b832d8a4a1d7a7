// Memory for one block, with room around it for a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace fl {

/// `size()` bytes at data(), at least `before` writable bytes in front of data() and `after` from
/// data() + capacity() on. The memory is kept from block to block.
class GapBuffer {
 public:
  GapBuffer(std::size_t before, std::size_t after) : before_(before), after_(after) {}

  std::uint8_t* data() { return memory_ ? memory_.get() + before_ : nullptr; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::string_view view() { return {reinterpret_cast<const char*>(data()), size_}; }

  /// At least this capacity; the first size() bytes stay, data() may move.
  void reserve(std::size_t capacity);
  /// The first `size` bytes count; at most capacity().
  void set_size(std::size_t size) { size_ = size; }

 private:
  std::size_t before_;
  std::size_t after_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::unique_ptr<std::uint8_t[]> memory_;
};

}  // namespace fl
