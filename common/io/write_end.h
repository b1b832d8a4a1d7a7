// The writing end of a pipe, socket, file or terminal, written to without ever blocking where
// that is possible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// Of a pipe through which much flows; more gains nothing (measured).
inline constexpr std::size_t kLargePipe = 256 << 10;

/// stdout is shared with siblings of the shell, so O_NONBLOCK is never set on it. A pipe is opened
/// a second time through /proc/self/fd with a description of its own; where that is refused (the
/// pipe of another user) at most PIPE_BUF bytes are written after poll says that they fit.
class WriteEnd {
 public:
  enum class Kind { pipe, socket, file, terminal, device };

  WriteEnd() = default;
  /// Takes the descriptor (usually 1).
  explicit WriteEnd(UniqueFd fd);

  explicit operator bool() const { return static_cast<bool>(fd_); }
  Kind kind() const { return kind_; }
  /// The descriptor to poll.
  int fd() const { return own_ ? own_.get() : fd_.get(); }

  /// Writes what goes without blocking. >= 0: bytes written, 0: would block; < 0: -errno.
  std::ptrdiff_t write_some(const void* data, std::size_t size);
  /// Bytes of room of the pipe as a whole; 0 where there is no pipe.
  std::size_t pipe_size() const { return pipe_size_; }
  /// Enlarges the pipe once to `size` if the system lets us.
  void grow(std::size_t size);
  /// Bytes written that the reader has not taken yet (pipes and sockets; else 0).
  std::size_t unread() const;
  /// True when the reader has closed.
  bool reader_closed() const;
  /// Files: data on disk.
  Status sync();
  void close();

 private:
  UniqueFd fd_;
  UniqueFd own_;
  Kind kind_ = Kind::device;
  std::size_t pipe_size_ = 0;
};

}  // namespace fl
