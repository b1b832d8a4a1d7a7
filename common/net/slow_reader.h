// Tells a client that reads slowly from one that reads nothing.
#pragma once

#include <cstdint>
#include <optional>

namespace fl {

/// Judges one client whose kernel takes no more of what is sent. Whether a socket is writable does
/// not tell: the kernel calls it so when a third of a buffer, which may be megabytes, is free
/// again. What the peer has acknowledged grows with each byte that its program reads.
class SlowReader {
 public:
  /// So long after a client could be written to, more_ms() is asked for the first time.
  static constexpr std::int64_t kFirstMs = 15'000;

  /// Something could be written.
  void reset() { before_.reset(); }

  /// `acknowledged`: bytes so far (ByteStream::acknowledged). How much longer the client has, in
  /// milliseconds; 0: since the last question it has read less than 500 bytes a second.
  std::int64_t more_ms(std::uint64_t acknowledged) {
    const bool is_slow = !before_ || acknowledged - *before_ >= kLeast;
    before_ = acknowledged;
    return is_slow ? kCheckMs : 0;
  }

 private:
  static constexpr std::int64_t kCheckMs = 5000;
  static constexpr std::uint64_t kLeast = 500 * kCheckMs / 1000;

  std::optional<std::uint64_t> before_;
};

}  // namespace fl
