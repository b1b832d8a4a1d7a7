#include "common/compress/gap_buffer.h"

#include <cstring>

namespace fl {

void GapBuffer::reserve(std::size_t capacity) {
  if (memory_ && capacity <= capacity_) {
    return;
  }
  auto memory = std::make_unique_for_overwrite<std::uint8_t[]>(before_ + capacity + after_);
  if (size_ != 0) {
    std::memcpy(memory.get() + before_, data(), size_);
  }
  memory_ = std::move(memory);
  capacity_ = capacity;
}

}  // namespace fl
