#include "common/net/tcp_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/units.h"
#include "common/io/poll_set.h"

namespace fl {
namespace {

constexpr std::uint64_t kListener = 0;  // among the clients' numbers, which begin with 1
constexpr std::size_t kEventsAtATime = 64;
constexpr int kAcceptedAtATime = 64;
constexpr std::int64_t kAcceptRetryMs = 1000;
/// How long the resolver may take for the name of a client.
constexpr std::int64_t kNameMs = 20'000;
/// How long a client may take to learn why its handshake failed.
constexpr std::int64_t kRefusedMs = 1000;

bool set_watched(int set, int fd, std::uint64_t number, std::uint32_t events, bool watched) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = number;
  return epoll_ctl(set, watched ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event) == 0;
}

/// An error of accept(2) that says something of the connection it would have returned, or nothing:
/// the next call may succeed. Any other stays until something has changed.
bool is_of_one_connection(int number) {
  constexpr std::array kPassing{EINTR,  ECONNABORTED, EPROTO, ENETDOWN,   ENOPROTOOPT, EHOSTDOWN,
                                ENONET, EHOSTUNREACH, EPERM,  EOPNOTSUPP, ENETUNREACH};
  return std::find(kPassing.begin(), kPassing.end(), number) != kPassing.end();
}

/// Connections in the queue of a listening socket.
std::uint64_t queue_length(int listener) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return 0;
  }
  return info.tcpi_unacked;  // of a listening socket: tcp(7) lacks it, ss(8) shows it as Recv-Q
}

}  // namespace

// ---------------------------------------------------------------- start

TcpServer::TcpServer(Settings settings, Listener listener)
    : settings_(std::move(settings)), listener_(std::move(listener)) {}

Result<std::unique_ptr<TcpServer>> TcpServer::listen(Settings settings) {
  Result<Listener> listener = listen_on(settings.where);
  if (!listener) {
    return listener.error();
  }
  std::unique_ptr<TcpServer> server(new TcpServer(std::move(settings), std::move(*listener)));
  if (Status status = server->open(); !status) {
    return status.error();
  }
  return server;
}

Status TcpServer::open() {
  for (UniqueFd* const set : {&outer_, &input_, &output_}) {
    set->reset(epoll_create1(EPOLL_CLOEXEC));
    if (!*set) {
      return system_error(ErrorClass::io, "cannot wait for clients", errno);
    }
  }
  take_input(true);
  if (!takes_input_ || !set_watched(outer_.get(), output_.get(), 1, EPOLLIN, true) ||
      !set_watched(input_.get(), listener_.fd.get(), kListener, EPOLLIN, true)) {
    return system_error(ErrorClass::io, "cannot wait for clients", errno);
  }
  if (settings_.filter && settings_.filter->has_names()) {
    names_ = std::make_unique<HostNames>();
    if (names_->wait_fd() < 0 || !set_watched(outer_.get(), names_->wait_fd(), 2, EPOLLIN, true)) {
      return system_error(ErrorClass::io, "cannot wait for names", errno);
    }
  }
  return {};
}

// ---------------------------------------------------------------- what is due

Result<const std::vector<TcpServer::Event>*> TcpServer::poll() {
  events_.clear();
  if (retry_ms_ >= 0 && monotonic_ms() >= retry_ms_) {
    retry_ms_ = -1;
    if (closed_ == Closed::full) {
      report_full();
    } else {
      accept_again();
    }
  }
  collect_late();
  if (names_) {
    take_names();
  }
  if (Status status = collect(output_.get(), What::writable); !status) {
    return status.error();
  }
  if (takes_input_) {
    if (Status status = collect(input_.get(), What::readable); !status) {
      return status.error();
    }
  }
  return &events_;
}

Status TcpServer::collect(int set, What what) {
  std::array<epoll_event, kEventsAtATime> found;
  const int n = epoll_wait(set, found.data(), static_cast<int>(found.size()), 0);
  if (n < 0 && errno != EINTR) {
    return system_error(ErrorClass::io, "cannot wait for clients", errno);
  }
  for (int i = 0; i < n; ++i) {
    const std::uint64_t number = found[static_cast<std::size_t>(i)].data.u64;
    if (number == kListener) {
      accept_some();
      continue;
    }
    const auto client = not_open_ > 0 ? clients_.find(number) : clients_.end();
    if (client != clients_.end() && client->second.phase != Phase::open) {
      go_on(number, client->second);
    } else {
      events_.push_back({what, number});
    }
  }
  return {};
}

void TcpServer::collect_late() {
  if (deadlines_.empty()) {
    return;
  }
  const std::int64_t now = monotonic_ms();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::uint64_t client = deadlines_.begin()->second;
    set_deadline(client, -1);
    const auto found = clients_.find(client);
    if (found != clients_.end() && found->second.phase != Phase::open) {
      not_open_in_time(client, found->second);
    } else {
      events_.push_back({What::late, client});
    }
  }
}

std::int64_t TcpServer::deadline_ms() const {
  const std::int64_t first = deadlines_.empty() ? -1 : deadlines_.begin()->first;
  return first < 0 || retry_ms_ < 0 ? std::max(first, retry_ms_) : std::min(first, retry_ms_);
}

// ---------------------------------------------------------------- accepting

void TcpServer::accept_some() {
  for (int i = 0; i < kAcceptedAtATime; ++i) {
    if (clients_.size() >= settings_.max_clients) {
      if (i == 0) {  // somebody waits: the listener was readable
        wait_for_room(Closed::full, 0);
      }
      return;
    }
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    UniqueFd fd(::accept4(listener_.fd.get(), reinterpret_cast<sockaddr*>(&address), &size,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      admit(std::move(fd), address);
      continue;
    }
    const int number = errno;
    if (number == EAGAIN) {
      return;
    }
    if (!is_of_one_connection(number)) {
      wait_for_room(Closed::failed, number);
      return;
    }
  }
}

void TcpServer::admit(UniqueFd fd, const sockaddr_storage& address) {
  const int yes = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
  const std::uint64_t number = ++last_client_;
  Client& client = clients_[number];
  client.fd = std::move(fd);
  client.name = address_text(address);
  client.host = host_text(address);
  if (settings_.filter) {
    const IpFilter::Verdict verdict = settings_.filter->judge(address);
    if (verdict.kind == IpFilter::Verdict::Kind::needs_name) {
      client.phase = Phase::named;
      ++not_open_;
      set_deadline(number, monotonic_ms() + kNameMs);
      names_->ask(number, address);
      return;
    }
    if (is_denied(client, verdict)) {
      clients_.erase(number);
      return;
    }
  }
  begin(number, client);
}

// The client may connect.
void TcpServer::begin(std::uint64_t number, Client& client) {
  if (settings_.tls) {
    client.tls = settings_.tls->session(client.fd.get(), {});
    client.phase = Phase::shaking_hands;
    ++not_open_;
    set_deadline(number, monotonic_ms() + settings_.handshake_ms);
  } else {
    ++accepted_;
    events_.push_back({What::connected, number});
  }
  want_input(number, true);
}

void TcpServer::wait_for_room(Closed why, int number) {
  closed_ = why;
  (void)set_watched(input_.get(), listener_.fd.get(), kListener, EPOLLIN, false);
  const std::int64_t now = monotonic_ms();
  if (why == Closed::failed) {
    if (failed_.happened(now)) {
      report_failure(number);
    }
    retry_ms_ = now + kAcceptRetryMs;
  } else if (full_.happened(now)) {
    report_full();
  } else {
    retry_ms_ = full_.next_ms();
  }
}

void TcpServer::accept_again() {
  if (closed_ == Closed::no || !listener_.fd) {
    return;
  }
  closed_ = Closed::no;
  retry_ms_ = -1;
  (void)set_watched(input_.get(), listener_.fd.get(), kListener, EPOLLIN, true);
}

// The first time, and again as long as somebody waits.
void TcpServer::report_full() {
  const std::int64_t now = monotonic_ms();
  const std::uint64_t waiting = queue_length(listener_.fd.get());
  if (waiting == 0 && full_.unreported() == 0) {
    accept_again();  // nobody waits any more; the next one is reported
    return;
  }
  std::string text = count_of(clients_.size(), "client") + " connected (" + settings_.limit_option +
                     "): " + std::to_string(waiting) + " more must wait";
  if (full_.unreported() > 1) {
    text += "; the limit was reached " + count_of(full_.unreported(), "time") +
            " since the last report";
  }
  log(LogLevel::warning, text);
  full_.reported(now);
  retry_ms_ = full_.next_ms();
}

void TcpServer::report_failure(int number) {
  Error error = system_error("cannot accept a client", number);
  error.message += "; it waits, trying again every second";
  if (failed_.unreported() > 1) {
    error.message += " (" + count_of(failed_.unreported(), "failure") + " since the last report)";
  }
  rlimit limit{};
  if (number == EMFILE && ::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    error.message += ". 'ulimit -n' allows " + std::to_string(limit.rlim_cur) +
                     " open files: raise it, or lower " + settings_.limit_option;
  }
  log(LogLevel::warning, error.message);
  failed_.reported(monotonic_ms());
}

// ---------------------------------------------------------------- filter

bool TcpServer::is_denied(const Client& client, const IpFilter::Verdict& verdict) {
  if (verdict.kind != IpFilter::Verdict::Kind::denied) {
    return false;
  }
  report_denied(client, "by the rule '" + std::string(verdict.rule) + "'");
  return true;
}

void TcpServer::report_denied(const Client& client, const std::string& why) {
  const std::int64_t now = monotonic_ms();
  if (!denied_.happened(now)) {
    return;
  }
  denied_.report(now, client.name + " may not connect " + why, "connection");
}

void TcpServer::take_names() {
  for (const HostNames::Answer& answer : names_->take()) {
    const auto found = clients_.find(answer.number);
    if (found == clients_.end() || found->second.phase != Phase::named) {
      continue;
    }
    if (is_denied(found->second, settings_.filter->judge(answer.address, answer.name))) {
      close(answer.number);
      continue;
    }
    found->second.phase = Phase::open;
    --not_open_;
    set_deadline(answer.number, -1);
    begin(answer.number, found->second);
  }
}

// ---------------------------------------------------------------- handshakes

void TcpServer::go_on(std::uint64_t number, Client& client) {
  switch (client.phase) {
    case Phase::shaking_hands:
      shake_hands(number, client);
      break;
    case Phase::refused:
      drain(number, client);
      break;
    case Phase::named:
    case Phase::open:
      break;
  }
}

void TcpServer::shake_hands(std::uint64_t number, Client& client) {
  const TlsSession::Step step = client.tls->handshake();
  if (step == TlsSession::Step::failed) {
    end_handshake(number, client, client.tls->why());
    return;
  }
  want_output(number, step == TlsSession::Step::wants_output);
  if (step == TlsSession::Step::done) {
    client.phase = Phase::open;
    --not_open_;
    set_deadline(number, -1);
    ++accepted_;
    events_.push_back({What::connected, number});
  }
}

void TcpServer::not_open_in_time(std::uint64_t number, Client& client) {
  if (client.phase == Phase::named) {
    report_denied(client, "before its name is known, and the resolver takes too long");
  }
  if (client.phase != Phase::shaking_hands) {
    close(number);
    return;
  }
  if (!takes_input_ || ByteStream(client.fd.get()).unread() > 0) {
    set_deadline(number, monotonic_ms() + settings_.handshake_ms);  // it is we who have not read
    return;
  }
  end_handshake(number, client,
                "it was not over after " + to_string(Duration{settings_.handshake_ms}));
}

void TcpServer::end_handshake(std::uint64_t number, Client& client, const std::string& why) {
  if (const std::int64_t now = monotonic_ms(); refused_.happened(now)) {
    refused_.report(
        now, client.name + ": the TLS handshake failed: " + why + "; the connection is closed",
        "connection");
  }
  // Closing with unread bytes would reset the connection and take the alert with it.
  client.phase = Phase::refused;
  ::shutdown(client.fd.get(), SHUT_WR);
  want_output(number, false);
  set_deadline(number, monotonic_ms() + kRefusedMs);
  drain(number, client);
}

void TcpServer::drain(std::uint64_t number, Client& client) {
  std::array<char, 16 << 10> bytes;
  const ssize_t n = ByteStream(client.fd.get()).read(bytes.data(), bytes.size());
  if (n == 0 || (n < 0 && errno != EAGAIN)) {
    close(number);
  }
}

// ---------------------------------------------------------------- clients

int TcpServer::fd(std::uint64_t client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? -1 : found->second.fd.get();
}

ByteStream TcpServer::stream(std::uint64_t client) const {
  const Client& found = clients_.at(client);
  return ByteStream(found.fd.get(), found.tls.get());
}

std::string TcpServer::host(std::uint64_t client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? std::string() : found->second.host;
}

std::string TcpServer::name(std::uint64_t client) const {
  const auto found = clients_.find(client);
  return found == clients_.end() ? std::string() : found->second.name;
}

void TcpServer::want_input(std::uint64_t client, bool wanted) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || found->second.wants_input == wanted) {
    return;
  }
  if (set_watched(input_.get(), found->second.fd.get(), client, EPOLLIN, wanted)) {
    found->second.wants_input = wanted;
  } else {
    give_up(client);
  }
}

void TcpServer::want_output(std::uint64_t client, bool wanted) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || found->second.wants_output == wanted) {
    return;
  }
  if (set_watched(output_.get(), found->second.fd.get(), client, EPOLLOUT, wanted)) {
    found->second.wants_output = wanted;
  } else {
    give_up(client);
  }
}

void TcpServer::set_deadline(std::uint64_t client, std::int64_t at_ms) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || found->second.deadline_ms == at_ms) {
    return;
  }
  if (found->second.deadline_ms >= 0) {
    deadlines_.erase({found->second.deadline_ms, client});
  }
  found->second.deadline_ms = at_ms;
  if (at_ms >= 0) {
    deadlines_.emplace(at_ms, client);
  }
}

bool TcpServer::has_deadline(std::uint64_t client) const {
  const auto found = clients_.find(client);
  return found != clients_.end() && found->second.deadline_ms >= 0;
}

// The kernel cannot watch it: nothing would ever be read from it again.
void TcpServer::give_up(std::uint64_t client) {
  log(LogLevel::warning, system_error("cannot wait for " + name(client), errno).message);
  set_deadline(client, 0);
}

void TcpServer::close(std::uint64_t client) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) {
    return;
  }
  set_deadline(client, -1);
  not_open_ -= found->second.phase == Phase::open ? 0U : 1U;
  clients_.erase(found);
  accept_again();
}

UniqueFd TcpServer::hand_over(std::uint64_t client) {
  want_input(client, false);
  want_output(client, false);
  const auto found = clients_.find(client);
  return found == clients_.end() ? UniqueFd() : std::move(found->second.fd);
}

void TcpServer::watch(PollSet& set, bool takes, bool has_work) {
  take_input(takes);
  index_ = set.add(outer_.get(), POLLIN);
  set.wake_at(has_work ? 0 : deadline_ms());
}

bool TcpServer::is_due(const PollSet& set) const {
  const std::int64_t deadline = deadline_ms();
  return set.revents(index_) != 0 || (deadline >= 0 && monotonic_ms() >= deadline);
}

void TcpServer::take_input(bool taken) {
  if (taken != takes_input_ && set_watched(outer_.get(), input_.get(), 0, EPOLLIN, taken)) {
    takes_input_ = taken;
  }
}

void TcpServer::stop_listening() {
  closed_ = Closed::no;
  retry_ms_ = -1;
  listener_.fd.reset();
}

}  // namespace fl
