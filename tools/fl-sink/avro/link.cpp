#include "tools/fl-sink/avro/link.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/event/varint.h"

namespace fl {
namespace {

/// Of a reply: its handshake may hold a protocol.
constexpr std::size_t kMaxReply = 1 << 20;
constexpr std::string_view kEndOfArray{"\0", 1};

}  // namespace

AvroLink::AvroLink(UniqueFd fd, std::unique_ptr<TlsSession> tls, int level)
    : fd_(std::move(fd)),
      tls_(std::move(tls)),
      stream_(fd_.get(), tls_.get()),
      is_ready_(tls_ == nullptr),
      frame_(kMaxReply) {
  if (level >= 0) {
    inflater_.emplace();
    deflater_.emplace(level);
  }
}

Error AvroLink::lost_connection(std::string why) const {
  const bool wants_certificate = why.ends_with("client certificate");
  return {ErrorClass::unavailable,
          "the connection is lost: " + std::move(why) +
              (wants_certificate ? ": see --keystore"
               : is_answered_    ? ""
                                 : ", without a reply: see --tls and --compression-type"),
          {}};
}

short AvroLink::events() const {
  const bool wants_output = is_ready_ ? has_unsent() : tls_->wants_output();
  return static_cast<short>(POLLIN | (wants_output ? POLLOUT : 0));
}

Status AvroLink::shake_hands() {
  switch (is_ready_ ? TlsSession::Step::done : tls_->handshake()) {
    case TlsSession::Step::done:
      is_ready_ = true;
      return {};
    case TlsSession::Step::wants_input:
    case TlsSession::Step::wants_output:
      return {};
    case TlsSession::Step::failed:
      break;
  }
  return Error{tls_->number() == EPROTO ? ErrorClass::config : ErrorClass::unavailable,
               "the TLS handshake failed: " + tls_->why(),
               {}};
}

void AvroLink::send(std::string_view events, std::uint64_t count) {
  events_ = events;
  count_ = count;
  is_busy_ = true;
  pack();
}

// Frames the request, ready to be written.
void AvroLink::pack() {
  std::string head = session_.head();
  append_varint(head, static_cast<std::int64_t>(count_));
  std::string message;
  append_frame_head(message, ++serial_, head.size() + events_.size() + kEndOfArray.size());
  message += head;
  if (deflater_) {
    message += events_;
    message += kEndOfArray;
    out_.clear();
    deflater_->add(out_, message);
    parts_ = {out_};
  } else {
    out_ = std::move(message);
    parts_ = {out_, events_, kEndOfArray};
  }
  sent_ = 0;
  size_ = 0;
  for (const std::string_view part : parts_) {
    size_ += part.size();
  }
}

Result<std::optional<RpcOutcome>> AvroLink::move() {
  for (;;) {
    if (Status status = write(); !status) {
      return status.error();
    }
    const Result<bool> whole = read();
    if (!whole) {
      return whole.error();
    }
    if (!*whole) {
      return std::optional<RpcOutcome>();
    }
    is_answered_ = true;
    if (!is_busy_ || has_unsent() || frame_.serial() != serial_) {
      return Error{ErrorClass::config, "unexpected reply", {}};
    }
    Result<RpcOutcome> outcome = session_.reply(frame_.message());
    frame_.next();
    if (!outcome) {
      return outcome.error();
    }
    if (outcome->kind != RpcOutcome::Kind::again) {
      is_busy_ = false;
      return std::optional<RpcOutcome>(std::move(*outcome));
    }
    pack();
  }
}

Status AvroLink::write() {
  while (has_unsent()) {
    std::array<iovec, 3> pieces;
    std::size_t used = 0;
    std::size_t passed = sent_;
    for (std::string_view part : parts_) {
      const std::size_t before = std::min(passed, part.size());
      passed -= before;
      part.remove_prefix(before);
      if (!part.empty()) {
        pieces[used++] = {const_cast<char*>(part.data()), part.size()};
      }
    }
    const ssize_t n = stream_.write(std::span(pieces).first(used));
    if (n < 0 && errno == EAGAIN) {
      return {};
    }
    if (n < 0) {
      return lost_connection("cannot send: " + stream_.why(errno));
    }
    sent_ += static_cast<std::size_t>(n);
  }
  return {};
}

// True: a reply is whole.
Result<bool> AvroLink::read() {
  std::array<char, 16 << 10> bytes;
  std::array<char, 16 << 10> unpacked;
  for (;;) {
    const ssize_t n = stream_.read(bytes.data(), bytes.size());
    if (n < 0 && errno == EAGAIN) {
      return false;
    }
    if (n < 0) {
      return lost_connection("cannot receive: " + stream_.why(errno));
    }
    if (n == 0) {
      return lost_connection("the server has closed it");
    }
    std::string_view came(bytes.data(), static_cast<std::size_t>(n));
    bool is_all = false;
    while (!is_all) {
      std::string_view plain = came;
      if (inflater_) {
        const Result<std::size_t> size = inflater_->take(came, unpacked.data(), unpacked.size());
        if (!size) {
          return size.error();
        }
        plain = {unpacked.data(), *size};
      }
      is_all = !inflater_ || plain.empty();
      const Result<std::size_t> taken = frame_.take(plain);
      if (!taken) {
        return taken.error();
      }
      if (*taken < plain.size()) {
        return Error{ErrorClass::input, "more came than a reply", {}};
      }
    }
    if (frame_.is_whole()) {
      return true;
    }
  }
}

}  // namespace fl
