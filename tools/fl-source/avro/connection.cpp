#include "tools/fl-source/avro/connection.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <utility>

namespace fl {
namespace {

constexpr std::size_t kRead = 128 << 10;
constexpr std::size_t kUnpack = 16 << 10;
constexpr int kReplyLevel = 6;  // Flume's
constexpr std::size_t kSerialBytes = 4;

/// Where bytes are read to; one for all connections, since what is not a part of a request is
/// copied out at once.
std::array<char, kRead>& scratch() {
  static std::array<char, kRead> bytes;
  return bytes;
}

}  // namespace

AvroConnection::AvroConnection(ByteStream stream, std::string name, const Settings& settings,
                               KnownProtocols& known)
    : stream_(stream),
      name_(std::move(name)),
      session_(known),
      frame_(settings.max_request, settings.spare, "--max-request") {
  if (settings.is_deflated) {
    inflater_.emplace();
    deflater_.emplace(kReplyLevel);
  }
}

// ---------------------------------------------------------------- requests

Result<bool> AvroConnection::read() {
  if (has_request()) {
    return true;
  }
  char* const to = scratch().data();
  const ssize_t n = stream_.read(to, kRead);
  if (n < 0 && errno == EAGAIN) {
    return true;
  }
  if (n <= 0) {
    at_end_ = true;
    return false;
  }
  arrived_ += static_cast<std::uint64_t>(n);
  std::string_view bytes(to, static_cast<std::size_t>(n));
  if (inflater_) {
    packed_ += bytes;
    if (Status status = feed(); !status) {
      return status.error();
    }
    return true;
  }
  const Result<std::size_t> taken = frame_.take(bytes);
  if (!taken) {
    return taken.error();
  }
  plain_ = bytes.substr(*taken);
  return true;
}

Status AvroConnection::next() {
  frame_.next();
  return feed();
}

// Takes what came before; unpacks no more than the request needs.
Status AvroConnection::feed() {
  std::array<char, kUnpack> piece;
  std::string_view plain = plain_;
  std::string_view packed = packed_;
  for (;;) {
    const Result<std::size_t> taken = frame_.take(plain);
    if (!taken) {
      return taken.error();
    }
    plain.remove_prefix(*taken);
    if (has_request() || !inflater_) {
      break;
    }
    const Result<std::size_t> size = inflater_->take(packed, piece.data(), piece.size());
    if (!size) {
      return size.error();
    }
    if (*size == 0) {
      break;
    }
    plain = {piece.data(), *size};
  }
  plain_ = std::string(plain);
  packed_ = std::string(packed);
  return {};
}

// ---------------------------------------------------------------- replies

void AvroConnection::owe(std::uint32_t serial, std::string handshake, RpcAnswer answer,
                         std::string text) {
  owed_.push_back({serial, answer, std::move(handshake), std::move(text)});
}

void AvroConnection::pay(std::uint64_t n) {
  std::string message;
  for (; n > 0 && !owed_.empty(); --n) {
    const Reply& reply = owed_.front();
    message.clear();
    append_rpc_reply(message, reply.serial, reply.handshake, reply.answer, reply.text);
    send(std::string_view(message).substr(std::exchange(is_begun_, false) ? kSerialBytes : 0));
    owed_.pop_front();
  }
}

void AvroConnection::send(std::string_view plain) {
  if (deflater_) {
    deflater_->add(out_, plain);
  } else {
    out_ += plain;
  }
}

bool AvroConnection::write() {
  while (!out_.empty()) {
    const ssize_t n = stream_.write(out_.data(), out_.size());
    if (n < 0) {
      return errno == EAGAIN;
    }
    out_.erase(0, static_cast<std::size_t>(n));
  }
  out_ = {};
  return true;
}

// ---------------------------------------------------------------- the client

AvroConnection::Peer AvroConnection::peer() const {
  pollfd entry{stream_.fd(), POLLRDHUP, 0};
  if (::poll(&entry, 1, 0) <= 0) {
    return Peer::there;
  }
  return (entry.revents & (POLLERR | POLLHUP)) != 0 ? Peer::gone : Peer::ended;
}

void AvroConnection::begin_reply() {
  std::string head;
  append_frame_head(head, owed_.empty() ? serial() : owed_.front().serial, 0);
  send(std::string_view(head).substr(0, kSerialBytes));
  is_begun_ = true;
}

bool AvroConnection::has_taken_all() const {
  int on_the_way = 0;
  return out_.empty() && ::ioctl(stream_.fd(), SIOCOUTQ, &on_the_way) == 0 && on_the_way == 0;
}

}  // namespace fl
