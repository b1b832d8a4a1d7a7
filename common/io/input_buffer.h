// Incoming bytes: one reused piece of memory, read into in large steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace fl {

/// The unread bytes are contiguous. There are always at least kGap writable bytes before and after
/// them, so that a block can be given a new frame in place (stream/block_builder.h).
class InputBuffer {
 public:
  static constexpr std::size_t kGap = 32;
  static constexpr std::size_t kRead = 1 << 20;

  std::uint8_t* data() { return memory_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  std::string_view view() { return {reinterpret_cast<const char*>(data()), size()}; }
  /// The first n bytes are consumed. They are not overwritten before the next read().
  void consume(std::size_t n) { begin_ += n; }

  /// One read(2) of at most kRead bytes; call it only when poll says so. Moves what is unread.
  /// `want`: the number of bytes the next item needs in all, a hint. Bounded by what arrives: the
  /// memory grows to twice the bytes that are really there. Returns bytes, 0 at the end, -errno.
  std::ptrdiff_t read(int fd, std::size_t want = 0);
  /// Adds bytes that came another way (tests, fuzzing).
  void append(std::string_view bytes);

 private:
  void make_room(std::size_t bytes);

  // Never null: data() of an empty buffer is a place, too.
  std::unique_ptr<std::uint8_t[]> memory_ = std::make_unique<std::uint8_t[]>(2 * kGap);
  std::size_t capacity_ = 2 * kGap;
  std::size_t begin_ = kGap;
  std::size_t end_ = kGap;
};

}  // namespace fl
