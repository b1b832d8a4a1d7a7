#include "common/microhttpd/secure_sockets.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"

namespace fl {
namespace {

constexpr std::size_t kDueAtATime = 64;

}  // namespace

Status SecureSockets::open() {
  due_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!due_) {
    return system_error(ErrorClass::io, "cannot wait for clients", errno);
  }
  return {};
}

UniqueFd SecureSockets::add(Id client) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return {};
  }
  UniqueFd theirs(ends[0]);
  Pair& pair = pairs_[client];
  pair.end.reset(ends[1]);
  pair.stream = tcp_.stream(client);
  move(client, pair);  // what came with the handshake
  return theirs;
}

void SecureSockets::move(Id client) {
  if (const auto found = pairs_.find(client); found != pairs_.end()) {
    move(client, found->second);
  }
}

void SecureSockets::move_due() {
  std::array<epoll_event, kDueAtATime> due;
  const int count = ::epoll_wait(due_.get(), due.data(), static_cast<int>(due.size()), 0);
  for (int i = 0; i < count; ++i) {
    move(due[static_cast<std::size_t>(i)].data.u64);
  }
}

void SecureSockets::release(Id client) {
  const auto found = pairs_.find(client);
  if (found == pairs_.end()) {
    tcp_.close(client);
    return;
  }
  found->second.is_released = true;
  tcp_.set_deadline(client, monotonic_ms() + (found->second.is_finished ? kLingerMs : kLastMs));
  move(client, found->second);
}

bool SecureSockets::end(Id client) {
  const auto found = pairs_.find(client);
  if (found == pairs_.end() || !found->second.is_released) {
    return false;
  }
  pairs_.erase(found);
  tcp_.close(client);
  return true;
}

bool SecureSockets::has_unsent() {
  return std::any_of(pairs_.begin(), pairs_.end(), [](const auto& entry) {
    const Pair& pair = entry.second;
    return !pair.is_broken && (!pair.out.empty() || (pair.is_released && !pair.is_finished));
  });
}

// ---------------------------------------------------------------- moving

void SecureSockets::move(Id client, Pair& pair) {
  move_in(pair);
  move_out(pair);
  if (pair.is_out_over && pair.out.empty() && !pair.is_finished) {
    finish(client, pair);
  }
  if (pair.is_released && (pair.is_broken || (pair.is_finished && pair.is_in_over))) {
    end(client);
    return;
  }
  want(client, pair);
}

void SecureSockets::move_in(Pair& pair) {
  put_in(pair);
  if (!pair.in.empty() || pair.is_in_over) {
    return;
  }
  pair.in.resize(kPiece);
  const ssize_t n = pair.stream.read(pair.in.data(), pair.in.size());
  const int number = errno;
  pair.in.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  if (n == 0) {
    pair.is_in_over = true;
    ::shutdown(pair.end.get(), SHUT_WR);
  } else if (n < 0 && number != EAGAIN) {
    break_off(pair);
  }
  put_in(pair);
}

void SecureSockets::put_in(Pair& pair) {
  while (!pair.in.empty()) {
    const ssize_t n =
        ByteStream(pair.end.get()).write(pair.in.data() + pair.in_at, pair.in.size() - pair.in_at);
    if (n < 0 && errno == EAGAIN) {
      return;
    }
    // A library that has closed its end reads no more.
    pair.in_at = n < 0 ? pair.in.size() : pair.in_at + static_cast<std::size_t>(n);
    if (pair.in_at == pair.in.size()) {
      pair.in = {};
      pair.in_at = 0;
    }
  }
}

void SecureSockets::move_out(Pair& pair) {
  for (;;) {
    put_out(pair);
    if (!pair.out.empty() || pair.is_out_over) {
      return;
    }
    pair.out.resize(kPiece);
    const ssize_t n = ByteStream(pair.end.get()).read(pair.out.data(), pair.out.size());
    const int number = errno;
    pair.out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    if (n < 0 && number == EAGAIN) {
      pair.out = {};
      return;
    }
    pair.is_out_over = n <= 0;
  }
}

void SecureSockets::put_out(Pair& pair) {
  while (!pair.out.empty()) {
    const ssize_t n = pair.is_broken ? static_cast<ssize_t>(pair.out.size() - pair.out_at)
                                     : pair.stream.write(pair.out.data() + pair.out_at,
                                                         pair.out.size() - pair.out_at);
    if (n < 0 && errno == EAGAIN) {
      return;
    }
    if (n < 0) {
      break_off(pair);
      continue;
    }
    pair.out_at += static_cast<std::size_t>(n);
    if (pair.out_at == pair.out.size()) {
      pair.out = {};
      pair.out_at = 0;
    }
  }
}

// The library sees the end of its connection.
void SecureSockets::break_off(Pair& pair) {
  pair.is_broken = true;
  pair.is_in_over = true;
  ::shutdown(pair.end.get(), SHUT_RDWR);
}

void SecureSockets::finish(Id client, Pair& pair) {
  pair.is_finished = true;
  pair.stream.finish();
  if (pair.is_released) {
    tcp_.set_deadline(client, monotonic_ms() + kLingerMs);
  }
}

// ---------------------------------------------------------------- waiting

void SecureSockets::want(Id client, Pair& pair) {
  tcp_.want_input(client, pair.in.empty() && !pair.is_in_over);
  tcp_.want_output(client, !pair.is_broken && (!pair.out.empty() || pair.stream.wants_output()));
  watch(client, pair,
        (pair.out.empty() && !pair.is_out_over ? EPOLLIN : 0U) | (pair.in.empty() ? 0U : EPOLLOUT));
}

// An end for which nothing is wanted is not watched at all: epoll would report a hangup again and
// again.
void SecureSockets::watch(Id client, Pair& pair, std::uint32_t events) {
  if (events == pair.watched) {
    return;
  }
  epoll_event event{};
  event.events = events;
  event.data.u64 = client;
  const int what = events == 0 ? EPOLL_CTL_DEL : pair.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(due_.get(), what, pair.end.get(), &event) == 0) {
    pair.watched = events;
  } else {
    break_off(pair);
  }
}

}  // namespace fl
