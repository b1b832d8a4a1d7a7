#include "common/ack/ack_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "common/base/random.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::int64_t kHelloMs = 10'000;
constexpr std::size_t kMaxGuests = 8;
constexpr int kMaxAccepted = 128;             // in one turn of the loop
constexpr std::int64_t kAcceptAgainMs = 100;  // doubled up to
constexpr std::int64_t kMostAcceptAgainMs = 1000;
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
  // Without free descriptors the listening socket would stay readable: a timer retries instead.
  listen_index_ = accept_at_ms_ < 0 ? set.add(socket_.fd.get(), POLLIN) : -1;
  set.wake_at(accept_at_ms_);
  reader_index_ = has_reader() ? set.add(reader_->fd(), reader_->events()) : -1;
  for (Guest& guest : guests_) {
    guest.index = set.add(guest.socket.fd(), guest.socket.events());
    if (!guest.greeted) {
      set.wake_at(guest.deadline_ms);
    }
  }
}

void AckServer::handle(const PollSet& set, std::uint64_t written) {
  hear_reader(set, written);
  if (!guests_.empty()) {
    hear_guests(set, written);
  }
  if (set.revents(listen_index_) != 0 || (accept_at_ms_ >= 0 && monotonic_ms() >= accept_at_ms_)) {
    accept_all();
  }
}

// Receive before sending: its last ack counts even though it has closed.
void AckServer::hear_reader(const PollSet& set, std::uint64_t written) {
  if (!has_reader() || set.revents(reader_index_) == 0) {
    return;
  }
  const bool alive = reader_->receive([&](std::string_view line) { reader_line(line, written); });
  if (!alive || !reader_->is_open() || !reader_->flush()) {
    reader_->close();
  }
  numbers_wait_ = numbers_wait_ && has_unsent_numbers();
}

void AckServer::hear_guests(const PollSet& set, std::uint64_t written) {
  const std::string hello = "FL/1 " + id_;
  const std::int64_t now = monotonic_ms();
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    Heard heard;
    heard.keep = guest->greeted || now < guest->deadline_ms;
    if (heard.keep && (set.revents(guest->index) & (kAnything | POLLOUT)) != 0) {
      heard = hear_guest(*guest, hello);
    }
    if (heard.proved && !had_reader_) {
      become_reader(*guest, heard, written);
      heard.keep = false;  // among the guests
    } else if (heard.proved) {
      tell_busy(*guest);
    }
    guest = heard.keep ? guest + 1 : guests_.erase(guest);
  }
}

// A guest that sends anything else first is dropped.
AckServer::Heard AckServer::hear_guest(Guest& guest, const std::string& hello) {
  Heard heard;
  bool is_stranger = false;
  const bool alive = guest.socket.receive([&](std::string_view line) {
    if (guest.greeted || heard.proved) {
      heard.rest += std::string(line) + '\n';
    } else if (!is_stranger && line == hello) {
      heard.proved = true;
    } else if (!std::exchange(is_stranger, true)) {
      ++protocol_errors_;
    }
  });
  heard.keep = alive && !is_stranger && guest.socket.flush();
  return heard;
}

// It gets what was sent before it connected; what it sent after its hello counts too, even if it
// has gone since.
void AckServer::become_reader(Guest& guest, const Heard& heard, std::uint64_t written) {
  reader_ = std::make_unique<LineSocket>(std::move(guest.socket));
  had_reader_ = true;
  for (const std::string& number : std::exchange(numbers_, {})) {
    reader_->send_surely("number", number);
  }
  if (want_) {
    reader_->send("want", *want_);
  }
  if (last_) {
    reader_->send("last", *last_);
  }
  if (last_word_) {
    reader_->send(last_word_->word, last_word_->rest);
  }
  for (std::size_t at = 0; at < heard.rest.size();) {
    const std::size_t end = heard.rest.find('\n', at);
    reader_line(std::string_view(heard.rest).substr(at, end - at), written);
    at = end + 1;
  }
  if (!heard.keep) {
    reader_->close();
  }
}

// Another reader acknowledges; this one still learns how the stream ends.
void AckServer::tell_busy(Guest& guest) {
  guest.greeted = true;
  shared_ = true;
  guest.socket.send("busy");
  if (last_word_) {
    guest.socket.send(last_word_->word, last_word_->rest);
  }
}

bool AckServer::has_said_nothing(const Guest& guest) {
  char byte = 0;
  return !guest.greeted && recv(guest.socket.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

// Makes room for another guest: of those that have sent nothing, it drops the oldest of the user
// that has most of them, so that strangers who only connect cannot keep the reader out.
bool AckServer::make_room() {
  std::map<uid_t, std::vector<std::size_t>> silent;
  for (std::size_t i = 0; i < guests_.size(); ++i) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (has_said_nothing(guests_[i]) &&
        getsockopt(guests_[i].socket.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
      silent[peer.uid].push_back(i);
    }
  }
  const auto most = std::max_element(
      silent.begin(), silent.end(),
      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  if (most == silent.end()) {
    return false;
  }
  guests_.erase(guests_.begin() + static_cast<std::ptrdiff_t>(most->second.front()));
  return true;
}

void AckServer::accept_all() {
  bool has_waited = std::exchange(accept_at_ms_, -1) >= 0;
  for (int i = 0; i < kMaxAccepted; ++i) {
    const bool is_full = guests_.size() >= kMaxGuests;
    if (is_full && std::none_of(guests_.begin(), guests_.end(), has_said_nothing) &&
        !std::all_of(guests_.begin(), guests_.end(), [](const Guest& g) { return g.greeted; })) {
      return;  // serve those that said hello before accepting another
    }
    UniqueFd fd(accept4(socket_.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      accept_again_ms_ = 0;
      if (!is_full || make_room()) {
        guests_.push_back({LineSocket(std::move(fd)), monotonic_ms() + kHelloMs});
      }
      continue;
    }
    if (errno == EAGAIN) {
      return;
    }
    if (errno == EINTR || errno == ECONNABORTED) {
      continue;
    }
    // Out of descriptors or memory. A guest that is still silent after the wait makes room.
    if (!std::exchange(has_waited, false) || !make_room()) {
      accept_again_ms_ = std::clamp(2 * accept_again_ms_, kAcceptAgainMs, kMostAcceptAgainMs);
      accept_at_ms_ = monotonic_ms() + accept_again_ms_;
      return;
    }
  }
}

void AckServer::reader_line(std::string_view line, std::uint64_t written) {
  std::string_view word;
  std::string_view rest;
  split_line(line, word, rest);
  if (word == "ack") {
    const Result<std::uint64_t> n = parse_count(rest);
    if (!n || *n > written) {
      break_off();
      return;
    }
    acked_ = std::max(acked_, *n);
  } else if (word == "at") {
    at_ = std::string(rest);
  } else if (word == "enough") {
    enough_ = true;
  } else if (word == "resume" && !at_ && !keep_position(rest)) {  // later ones come too late
    break_off();
  }
}

void AckServer::break_off() {
  ++protocol_errors_;
  reader_->close();
}

// `text`: what follows `resume`; empty: only that positions are kept. More than fit are left out.
bool AckServer::keep_position(std::string_view text) {
  if (!kept_) {
    kept_.emplace();
  }
  if (text.empty()) {
    return true;
  }
  std::optional<Position> position = Position::parse(text);
  if (position && kept_bytes_ + text.size() <= PositionQueue::kMostBytes &&
      kept_->size() < PositionQueue::kMost) {
    kept_bytes_ += text.size();
    kept_->push_back(std::move(*position));
  }
  return position.has_value();
}

void AckServer::position(std::uint64_t n, const Position& position) {
  const std::optional<std::string> text = position.text();
  if (has_reader() && text) {
    reader_->send_in_order("pos", std::to_string(n) + ' ' + *text);
  }
}

void AckServer::number(std::uint64_t n, const std::optional<EventNumber>& number) {
  if (!has_numbers_) {
    return;
  }
  std::string text = std::to_string(n) + ' ' + (number ? number->text() : "-");
  numbers_wait_ = true;
  if (has_reader()) {
    reader_->send_surely("number", text);
  } else if (!had_reader_) {
    numbers_.push_back(std::move(text));
  }
}

bool AckServer::has_unsent_numbers() const {
  return numbers_wait_ && (!numbers_.empty() || (has_reader() && reader_->has_unsent()));
}

void AckServer::give_up_numbers() {
  numbers_.clear();
  has_numbers_ = false;
}

void AckServer::want(std::uint64_t n) {
  if (!want_ || n > *want_) {
    want_ = n;
    if (has_reader()) {
      reader_->send("want", n);
    }
  }
}

void AckServer::last(std::uint64_t n) {
  if (last_ != n) {
    last_ = n;
    if (has_reader()) {
      reader_->send("last", n);
    }
  }
}

void AckServer::end(std::uint64_t n) { say_last_word({"end", std::to_string(n)}); }

void AckServer::fail(const Failure& failure) { say_last_word({"fail", failure.text()}); }

void AckServer::say_last_word(LastWord last) {
  last_word_ = std::move(last);
  if (has_reader()) {
    reader_->send(last_word_->word, last_word_->rest);
  }
  for (Guest& guest : guests_) {
    if (guest.greeted) {
      guest.socket.send(last_word_->word, last_word_->rest);
    }
  }
}

bool AckServer::last_word_sent() const {
  return last_word_ && had_reader_ && (!has_reader() || !reader_->has_unsent()) &&
         std::none_of(guests_.begin(), guests_.end(), [](const Guest& guest) {
           return guest.greeted && guest.socket.has_unsent();
         });
}

void AckServer::remove() {
  if (!socket_.path.empty()) {
    unlink(socket_.path.c_str());
    socket_.path.clear();
    // A reader that has connected but is not accepted yet would see the closed connection as our
    // failure. From now on nobody can connect, not even one that has found the socket before.
    (void)::shutdown(socket_.fd.get(), SHUT_RD);
    accept_all();
    for (Guest& guest : guests_) {
      if (last_word_ && !guest.greeted) {
        guest.socket.send(last_word_->word, last_word_->rest);
        (void)guest.socket.flush();
      }
    }
  }
}

}  // namespace fl
