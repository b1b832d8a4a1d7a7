#include "tools/fl-source/netcat_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace fl {
namespace {

constexpr std::size_t kRead = 16 << 10;
constexpr std::size_t kReplies = 4096;  // "OK"s written at a time
constexpr std::string_view kOk = "OK\n";
/// No UTF-16 unit takes more bytes of UTF-8.
constexpr std::uint64_t kBytesPerUnit = 3;

}  // namespace

std::uint64_t LineLimit::units_of(std::string_view text) {
  std::uint64_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    units += (byte & 0xc0) == 0x80 ? 0 : byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

NetcatConnection::NetcatConnection(UniqueFd fd, std::uint64_t id, const LineLimit& limit)
    : fd_(std::move(fd)), id_(id), limit_(limit) {}

bool NetcatConnection::read() {
  std::array<char, kRead> bytes;
  ssize_t n = 0;
  do {
    n = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) {
    return true;
  }
  if (n <= 0) {
    at_end_ = true;
    lost_ = n < 0;
    return false;
  }
  if (!refused_) {
    buffer_.append(bytes.data(), static_cast<std::size_t>(n));
  }
  return true;
}

NetcatConnection::Line NetcatConnection::next() {
  if (refused_) {
    return Line::none;
  }
  const std::string_view rest = std::string_view(buffer_).substr(start_);
  const std::size_t newline = rest.find('\n', searched_);
  const std::size_t size = std::min(newline, rest.size());
  if (!limit_.counts_bytes) {
    units_ += LineLimit::units_of(rest.substr(searched_, size - searched_));
  }
  searched_ = size;
  // Without its newline a line that fills the limit is too long already.
  if (units_ + 1 > limit_.units || size > kBytesPerUnit * limit_.units ||
      size > limit_.body_bytes) {
    return Line::too_long;
  }
  if (newline == std::string_view::npos && (!at_end_ || lost_ || size == 0)) {
    if (start_ > 0) {
      buffer_.erase(0, start_);
      start_ = 0;
    }
    if (buffer_.empty()) {
      clear();
    }
    return Line::none;
  }
  line_size_ = size;
  line_end_ = newline == std::string_view::npos ? size : size + 1;
  return Line::whole;
}

void NetcatConnection::take() {
  start_ += line_end_;
  searched_ = 0;
  units_ = 0;
}

std::size_t NetcatConnection::left() const {
  if (at_end_ && !lost_) {
    return rest();
  }
  const std::size_t newline = buffer_.rfind('\n');
  return newline == std::string::npos || newline < start_ ? 0 : newline + 1 - start_;
}

void NetcatConnection::clear() {
  buffer_ = {};  // an idle connection holds no memory
  start_ = 0;
  searched_ = 0;
  units_ = 0;
}

void NetcatConnection::refuse(std::string text) {
  refused_ = true;
  last_word_ = std::move(text);
  clear();
}

bool NetcatConnection::write() {
  for (;;) {
    if (text_.empty()) {
      const std::uint64_t count = std::min<std::uint64_t>(owed_, kReplies);
      for (std::uint64_t i = 0; i < count; ++i) {
        text_ += kOk;
      }
      owed_ -= count;
      if (owed_ == 0 && unanswered == 0) {
        text_ += std::exchange(last_word_, {});
      }
      if (text_.empty()) {
        return true;
      }
    }
    const ssize_t n = ::send(fd_.get(), text_.data(), text_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return errno == EAGAIN;
    }
    text_.erase(0, static_cast<std::size_t>(n));
    if (text_.empty()) {
      text_ = {};
    }
  }
}

void NetcatConnection::finish_sending() {
  if (!std::exchange(is_finished_, true)) {
    ::shutdown(fd_.get(), SHUT_WR);
  }
}

}  // namespace fl
