#include "common/net/tcp_dialer.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "common/base/clock.h"
#include "common/base/start.h"
#include "common/base/units.h"
#include "common/io/poll_set.h"
#include "common/net/tcp_listener.h"

namespace fl {

struct TcpDialer::Address {
  sockaddr_storage name{};
  socklen_t size = 0;

  std::string bytes() const { return {reinterpret_cast<const char*>(&name), size}; }
};

/// A question to the resolver, and its answer.
struct TcpDialer::Lookup {
  std::string host;
  std::string port;
  UniqueFd wake;
  std::mutex mutex;  // of what follows
  bool is_done = false;
  std::vector<Address> found;
  std::string why;

  void run(int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* list = nullptr;
    const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
    const std::lock_guard lock(mutex);
    for (const addrinfo* each = list; code == 0 && each != nullptr; each = each->ai_next) {
      Address address;
      std::memcpy(&address.name, each->ai_addr, each->ai_addrlen);
      address.size = each->ai_addrlen;
      found.push_back(address);
    }
    if (code == 0) {
      freeaddrinfo(list);
    } else {
      why = gai_strerror(code);
    }
    is_done = true;
    if (wake) {
      (void)eventfd_write(wake.get(), 1);
    }
  }
};

std::string HostPort::text() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> parse_host_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  HostPort out;
  if (colon != std::string::npos) {
    out.host = text.substr(0, colon);
    if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
      out.host = out.host.substr(1, out.host.size() - 2);
    } else if (out.host.find(':') != std::string::npos) {
      out.host.clear();
    }
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + colon + 1, end, out.port);
    if (read.ec == std::errc() && read.ptr == end && out.port > 0 && out.port < 65536 &&
        !out.host.empty()) {
      return out;
    }
  }
  return Error{ErrorClass::usage, "'" + text + "' is not HOST:PORT",
               "for example collector.example.com:4141, or [::1]:4141"};
}

TcpDialer::TcpDialer() = default;
TcpDialer::~TcpDialer() = default;

void TcpDialer::dial(const HostPort& where, std::int64_t timeout_ms) {
  where_ = where;
  timeout_ms_ = timeout_ms;
  deadline_ms_ = monotonic_ms() + timeout_ms;
  addresses_.clear();
  next_ = 0;
  why_.clear();
  lookup_ = std::make_shared<Lookup>();
  lookup_->host = where.host;
  lookup_->port = std::to_string(where.port);
  lookup_->run(AI_NUMERICHOST);
  if (!lookup_->found.empty()) {
    return;
  }
  lookup_->is_done = false;
  lookup_->wake.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  Result<std::thread> thread = start_thread([lookup = lookup_] { lookup->run(0); });
  if (!thread) {
    lookup_->is_done = true;
    lookup_->why = thread.error().message + ", which looks the name up";
    return;
  }
  thread->detach();
}

bool TcpDialer::is_dialing() const { return deadline_ms_ >= 0; }

void TcpDialer::stop() {
  lookup_.reset();
  fd_.reset();
  deadline_ms_ = -1;
}

void TcpDialer::watch(PollSet& set) {
  index_ = -1;
  if (!is_dialing()) {
    return;
  }
  set.wake_at(deadline_ms());
  if (fd_) {
    index_ = set.add(fd_.get(), POLLOUT);
  } else if (lookup_ && lookup_->wake) {
    set.add(lookup_->wake.get(), POLLIN);
  } else {
    set.wake_now();
  }
}

std::optional<Result<UniqueFd>> TcpDialer::handle(const PollSet& set) {
  if (!is_dialing()) {
    return std::nullopt;
  }
  if (fd_ && set.revents(index_) != 0) {
    int number = 0;
    socklen_t size = sizeof number;
    (void)::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &number, &size);
    if (number == 0) {
      return finish(std::move(fd_));
    }
    why_ = std::strerror(number);  // NOLINT(concurrency-mt-unsafe)
    fd_.reset();
    return connect_next();
  }
  if (lookup_) {
    if (auto result = take_lookup()) {
      return result;
    }
  }
  if (!is_dialing() || monotonic_ms() < deadline_ms()) {
    return std::nullopt;
  }
  if (fd_) {
    silent_ = addresses_[next_ - 1].bytes();
    fd_.reset();
  }
  if (next_ == addresses_.size()) {
    return finish(failure("no answer for " + to_string(Duration{timeout_ms_})));
  }
  why_ = "no answer";
  return connect_next();
}

std::optional<Result<UniqueFd>> TcpDialer::take_lookup() {
  {
    const std::lock_guard lock(lookup_->mutex);
    if (!lookup_->is_done) {
      return std::nullopt;
    }
    addresses_ = std::move(lookup_->found);
    why_ = lookup_->why;
  }
  lookup_.reset();
  put_silent_last();
  return connect_next();
}

void TcpDialer::put_silent_last() {
  const auto found = std::find_if(addresses_.begin(), addresses_.end(),
                                  [&](const Address& each) { return each.bytes() == silent_; });
  if (found != addresses_.end()) {
    std::rotate(addresses_.begin(), found + 1, addresses_.end());
  }
}

std::optional<Result<UniqueFd>> TcpDialer::connect_next() {
  while (next_ < addresses_.size()) {
    const Address& address = addresses_[next_++];
    fd_.reset(
        ::socket(address.name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    if (fd_) {
      const int yes = 1;
      (void)::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
      if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address.name), address.size) ==
          0) {
        return finish(std::move(fd_));
      }
      if (errno == EINPROGRESS) {
        const std::int64_t now = monotonic_ms();
        const auto left = static_cast<std::int64_t>(addresses_.size() - next_ + 1);
        share_ms_ = now + std::max<std::int64_t>(deadline_ms_ - now, 0) / left;
        return std::nullopt;
      }
    }
    why_ = std::strerror(errno);  // NOLINT(concurrency-mt-unsafe)
    fd_.reset();
  }
  return finish(failure(why_));
}

std::optional<Result<UniqueFd>> TcpDialer::finish(Result<UniqueFd> result) {
  stop();
  return std::optional<Result<UniqueFd>>(std::move(result));
}

Error TcpDialer::failure(const std::string& why) const {
  return {ErrorClass::unavailable, "cannot connect to " + where_.text() + ": " + why, {}};
}

}  // namespace fl
