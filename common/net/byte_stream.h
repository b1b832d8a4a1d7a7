// The bytes of a TCP connection, plain or through TLS.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/net/tls.h"

namespace fl {

/// Reads and writes a socket that does not block. It owns neither the socket nor the session: a
/// copy costs nothing.
class ByteStream {
 public:
  ByteStream() = default;
  /// `tls` may be null: plain.
  explicit ByteStream(int fd, TlsSession* tls = nullptr) : fd_(fd), tls_(tls) {}

  int fd() const { return fd_; }
  bool is_plain() const { return tls_ == nullptr; }
  /// As recv(2) and send(2), without EINTR and SIGPIPE. Through TLS `size` must be at least
  /// TlsSession::kRecord; see there for the rest.
  ssize_t read(char* to, std::size_t size) const;
  ssize_t write(const char* from, std::size_t size) const;
  /// The same of several pieces, of which a part may be written; none is empty.
  ssize_t write(std::span<const iovec> pieces) const;
  /// The last call lacks room to send, whatever it was for. Only through TLS.
  bool wants_output() const { return tls_ != nullptr && tls_->wants_output(); }
  /// Bytes that have come and were not read. Of TLS: at most one record of them.
  std::size_t unread() const;
  /// Bytes that came through TLS so far, as they were on the way: a record counts before it is
  /// whole.
  std::uint64_t packed() const { return tls_ != nullptr ? tls_->received() : 0; }
  /// Bytes, as they were on the way, that the peer's kernel has got so far; 0 where ours cannot
  /// say.
  std::uint64_t acknowledged() const;
  /// Tells the peer that nothing more comes. It may still send.
  void finish() const;
  /// After a read or write that failed with `number`: why, for people.
  std::string why(int number) const;

 private:
  int fd_ = -1;
  TlsSession* tls_ = nullptr;
};

}  // namespace fl
