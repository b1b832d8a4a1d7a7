#include "common/net/byte_stream.h"

#include <linux/tcp.h>  // the C library's tcp_info lacks tcpi_bytes_acked
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace fl {

ssize_t ByteStream::read(char* to, std::size_t size) const {
  if (tls_ != nullptr) {
    return tls_->read(to, size);
  }
  ssize_t n = 0;
  do {
    n = ::recv(fd_, to, size, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n;
}

ssize_t ByteStream::write(const char* from, std::size_t size) const {
  if (tls_ != nullptr) {
    return tls_->write(from, size);
  }
  ssize_t n = 0;
  do {
    n = ::send(fd_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n;
}

ssize_t ByteStream::write(std::span<const iovec> pieces) const {
  if (tls_ != nullptr) {
    return tls_->write(static_cast<const char*>(pieces.front().iov_base), pieces.front().iov_len);
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  ssize_t n = 0;
  do {
    n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n;
}

std::size_t ByteStream::unread() const {
  if (tls_ != nullptr) {
    return tls_->unread();
  }
  int unread = 0;
  return ::ioctl(fd_, FIONREAD, &unread) == 0 && unread > 0 ? static_cast<std::size_t>(unread) : 0;
}

std::uint64_t ByteStream::acknowledged() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  return ::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_acked : 0;
}

void ByteStream::finish() const {
  if (tls_ != nullptr) {
    tls_->finish();
  }
  ::shutdown(fd_, SHUT_WR);
}

std::string ByteStream::why(int number) const {
  if (tls_ != nullptr && !tls_->why().empty()) {
    return tls_->why();
  }
  return std::strerror(number);  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace fl
