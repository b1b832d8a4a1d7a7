#include "common/io/input_buffer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fl {
namespace {

constexpr std::size_t kStart = 320 << 10;  // holds a pipe of 256 KiB and a cut block

}  // namespace

void InputBuffer::make_room(std::size_t bytes) {
  const std::size_t kept = size();
  if (kept == 0) {
    begin_ = end_ = kGap;
  }
  if (capacity_ >= end_ + bytes + kGap) {
    return;
  }
  const std::size_t need = kGap + kept + bytes + kGap;
  if (need > capacity_ || (capacity_ > 8 * kRead && need <= 2 * kRead)) {
    const std::size_t capacity = std::max(kStart, need);
    auto memory = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    if (kept != 0) {
      std::memcpy(memory.get() + kGap, data(), kept);
    }
    memory_ = std::move(memory);
    capacity_ = capacity;
  } else {
    std::memmove(memory_.get() + kGap, data(), kept);
  }
  begin_ = kGap;
  end_ = kGap + kept;
}

std::ptrdiff_t InputBuffer::read(int fd, std::size_t want) {
  const std::size_t kept = size();
  // Never allocate what a length merely claims: at most double what has arrived.
  std::size_t step = std::max<std::size_t>(64 << 10, std::min(kept, kRead));
  if (want > kept) {
    step = std::max(step, std::min(want - kept, std::max<std::size_t>(kept, 256 << 10)));
  }
  make_room(step);
  const std::size_t room = capacity_ - kGap - end_;
  const ssize_t n = ::read(fd, memory_.get() + end_, std::min(room, kRead));
  if (n < 0) {
    return -errno;
  }
  end_ += static_cast<std::size_t>(n);
  return n;
}

void InputBuffer::append(std::string_view bytes) {
  make_room(bytes.size());
  std::memcpy(memory_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

}  // namespace fl
