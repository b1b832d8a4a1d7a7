#include "common/ack/ack_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "common/base/random.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::int64_t kHelloMs = 10'000;
constexpr std::size_t kMaxGuests = 8;
constexpr short kAnything = POLLIN | POLLERR | POLLHUP;

}  // namespace

Result<std::unique_ptr<AckServer>> AckServer::open() {
  Result<ListeningSocket> socket = listen_in_runtime_dir();
  if (!socket) {
    return socket.error();
  }
  auto server = std::make_unique<AckServer>();
  server->socket_ = std::move(*socket);
  server->id_ = random_hex(16);
  return server;
}

void AckServer::watch(PollSet& set) {
  listen_index_ = set.add(socket_.fd.get(), POLLIN);
  reader_index_ = has_reader() ? set.add(reader_->fd(), reader_->events()) : -1;
  for (Guest& guest : guests_) {
    guest.index = set.add(guest.socket.fd(), guest.socket.events());
    if (!guest.greeted) {
      set.wake_at(guest.deadline_ms);
    }
  }
}

void AckServer::handle(const PollSet& set, std::uint64_t written) {
  if (has_reader() && set.revents(reader_index_) != 0) {
    // First what it said, then what we have to say: its last ack counts though it has closed.
    const bool alive = reader_->receive([&](std::string_view line) { reader_line(line, written); });
    if (!alive || !reader_->is_open() || !reader_->flush()) {
      reader_->close();
    }
  }
  // Built only for guests: there is none at nearly every turn of the loop.
  const std::string hello = guests_.empty() ? std::string() : "FL/1 " + id_;
  const std::int64_t now = monotonic_ms();
  for (std::size_t i = 0; i < guests_.size();) {
    Guest& guest = guests_[i];
    bool keep = guest.greeted || now < guest.deadline_ms;
    bool proved = false;
    std::string rest;
    if (keep && (set.revents(guest.index) & (kAnything | POLLOUT)) != 0) {
      keep = guest.socket.receive([&](std::string_view line) {
        if (guest.greeted || proved) {
          rest += std::string(line) + '\n';
        } else if (guest.deadline_ms != 0 && line == hello) {
          proved = true;
        } else {
          protocol_errors_ += guest.deadline_ms != 0 ? 1U : 0U;
          guest.deadline_ms = 0;  // whoever says anything else first is dropped
        }
      }) && guest.deadline_ms != 0 &&
             guest.socket.flush();
    }
    if (proved && !had_reader_) {
      reader_ = std::make_unique<LineSocket>(std::move(guest.socket));
      had_reader_ = true;
      if (want_) {
        reader_->send("want", *want_);
      }
      if (end_) {
        reader_->send("end", *end_);
      }
      for (std::size_t at = 0; at < rest.size();) {
        const std::size_t end = rest.find('\n', at);
        reader_line(std::string_view(rest).substr(at, end - at), written);
        at = end + 1;
      }
      if (!keep && reader_) {
        reader_->close();
      }
      guests_.erase(guests_.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    if (proved) {
      guest.greeted = true;
      guest.socket.send("busy");
      if (end_) {
        guest.socket.send("end", *end_);
      }
      shared_ = true;
    }
    if (!keep) {
      guests_.erase(guests_.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    ++i;
  }
  if (set.revents(listen_index_) != 0) {
    accept_all();
  }
}

void AckServer::accept_all() {
  for (;;) {
    UniqueFd fd(accept4(socket_.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      return;
    }
    if (guests_.size() >= kMaxGuests) {
      // Whoever says nothing makes room, so that idle strangers cannot keep the reader out.
      const auto silent = std::find_if(guests_.begin(), guests_.end(),
                                       [](const Guest& guest) { return !guest.greeted; });
      if (silent == guests_.end()) {
        continue;
      }
      guests_.erase(silent);
    }
    guests_.push_back({LineSocket(std::move(fd)), monotonic_ms() + kHelloMs});
  }
}

void AckServer::reader_line(std::string_view line, std::uint64_t written) {
  std::string_view word;
  std::string_view rest;
  split_line(line, word, rest);
  if (word == "ack") {
    const Result<std::uint64_t> n = parse_count(rest);
    if (!n || *n > written) {
      ++protocol_errors_;
      reader_->close();
      return;
    }
    acked_ = std::max(acked_, *n);
  } else if (word == "at") {
    rule_ = std::string(rest);
  } else if (word == "enough") {
    enough_ = true;
  }
}

void AckServer::want(std::uint64_t n) {
  if (!want_ || n > *want_) {
    want_ = n;
    if (has_reader()) {
      reader_->send("want", n);
    }
  }
}

void AckServer::end(std::uint64_t n) {
  end_ = n;
  if (has_reader()) {
    reader_->send("end", n);
  }
  for (Guest& guest : guests_) {
    if (guest.greeted) {
      guest.socket.send("end", n);
    }
  }
}

void AckServer::remove() {
  if (!socket_.path.empty()) {
    unlink(socket_.path.c_str());
    socket_.path.clear();
    // Whoever connected before that and was not heard yet would take the loss of his connection for
    // our death. Nobody can connect from now on.
    accept_all();
    for (Guest& guest : guests_) {
      if (end_ && !guest.greeted) {
        guest.socket.send("end", *end_);
        (void)guest.socket.flush();
      }
    }
  }
}

}  // namespace fl
