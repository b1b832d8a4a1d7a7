// Lines that clients send over TCP, each answered with OK, as Flume's netcat source does.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/stage/component_type.h"
#include "tools/fl-source/line_charset.h"
#include "tools/fl-source/netcat_connection.h"
#include "tools/fl-source/tcp_listener.h"

namespace fl {
namespace {

constexpr std::uint64_t kListenerId = 0;
constexpr std::size_t kEvents = 64;
/// How long a client that is done may take to read its last replies, without any progress.
constexpr std::int64_t kClosingMs = 10'000;
/// How long nobody is accepted when the system has no descriptor for him.
constexpr std::int64_t kAcceptRetryMs = 1000;
/// Clients take turns: stretches of events of one client that wait for their answer.
constexpr std::size_t kMaxRuns = 1 << 16;

struct Options {
  std::string bind = "localhost";
  std::uint64_t port = 0;
  std::uint64_t max_line_length = 512;
  bool ack_every_event = true;
  std::string encoding = "utf-8";
  std::string ok_at = "put";
  std::uint64_t max_connections = 1000;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("bind", &Options::bind, "HOST", "The address to listen on.");
  table
      .add("port", &Options::port, "PORT",
           "The TCP port to listen on; 0: any free one, which stderr names.")
      .required();
  table.add("max-line-length", &Options::max_line_length, "N",
            "The longest line in UTF-16 units, its newline included.");
  table.add("ack-every-event", &Options::ack_every_event, "BOOL",
            "Answer each line with OK. That a line was too long is told without it, too.");
  table.add("encoding", &Options::encoding, "NAME",
            "What clients send, as iconv(1) names it. Events are UTF-8; bytes sent as UTF-8 or "
            "US-ASCII pass unchanged, whether they are valid or not.");
  table
      .add("okAt", &Options::ok_at, "put|ack",
           "When a line is answered. put: it has been written to the stage behind this one. ack: "
           "the stages behind have acknowledged it.")
      .choices({"put", "ack"});
  table.add("maxConnections", &Options::max_connections, "N",
            "Clients at a time; further ones wait.");
  return std::move(table).erased();
}

class NetcatSource final : public Source {
 public:
  explicit NetcatSource(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  /// A client that got no OK can send its line again.
  bool has_state() const override { return options_.ok_at == "ack"; }
  Status acked(std::uint64_t n) override {
    answer(n);
    return {};
  }
  void stop() override { listener_.fd.reset(); }
  Status close() override;
  int wait_fd() const override { return runs_.size() < kMaxRuns ? epoll_.get() : -1; }
  std::int64_t deadline_ms() const override;
  std::string summary() const override;

 private:
  using Connections = std::unordered_map<std::uint64_t, std::unique_ptr<NetcatConnection>>;
  /// `count` events of one client in a row, the last of them number `end` - 1.
  struct Run {
    std::uint64_t end = 0;
    std::uint64_t client = 0;
    std::uint64_t count = 0;
  };

  void accept_clients();
  void set_accepting(bool accepting);
  void serve(NetcatConnection& client, std::uint32_t events, BlockBuilder& out);
  bool take_lines(NetcatConnection& client, BlockBuilder& out);
  void refuse(NetcatConnection& client);
  void answer(std::uint64_t n);
  void settle(NetcatConnection& client);
  void remove(std::uint64_t id);
  void run_timers();

  const Options options_;
  EventLimits limits_;
  LineLimit limit_;
  std::optional<LineCharset> charset_;
  std::string converted_;

  Listener listener_;
  UniqueFd epoll_;
  bool is_accepting_ = false;
  bool is_crowded_ = false;  // said so
  std::int64_t accept_retry_ms_ = -1;

  Connections clients_;
  std::unordered_set<std::uint64_t> closing_;
  std::deque<std::uint64_t> pending_;  // have lines that found no room
  std::deque<Run> runs_;
  std::uint64_t produced_ = 0;
  std::uint64_t answered_ = 0;

  std::uint64_t accepted_ = 0;
  std::uint64_t too_long_ = 0;
  std::uint64_t malformed_ = 0;
};

// ---------------------------------------------------------------- start

Status NetcatSource::open(const StageContext& context) {
  limits_ = context.limits;
  if (options_.max_line_length < 2 || options_.max_line_length - 1 > limits_.body_bytes) {
    return Error{ErrorClass::config,
                 "--max-line-length " + std::to_string(options_.max_line_length) +
                     " is not between 2 and " + std::to_string(limits_.body_bytes + 1ull),
                 "--max-event allows longer events"};
  }
  if (options_.max_connections == 0) {
    return Error{ErrorClass::config, "--max-connections 0 would let nobody in", {}};
  }
  auto charset = LineCharset::open(options_.encoding);
  if (!charset) {
    return charset.error();
  }
  charset_.emplace(std::move(*charset));
  limit_ = {options_.max_line_length, limits_.body_bytes, !charset_->passes()};
  auto listener = listen_on({options_.bind, options_.port});
  if (!listener) {
    return listener.error();
  }
  if (context.dry_run) {
    return {};
  }
  listener_ = std::move(*listener);
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) {
    return system_error(ErrorClass::io, "cannot wait for clients", errno);
  }
  set_accepting(true);
  log(LogLevel::info, "listening on " + listener_.address);
  if (!listener_.is_loopback) {
    log(LogLevel::warning, "everybody who reaches " + listener_.address +
                               " can send events: there is no authentication and no encryption");
  }
  return {};
}

void NetcatSource::set_accepting(bool accepting) {
  if (accepting == is_accepting_ || !listener_.fd) {
    return;
  }
  is_accepting_ = accepting;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenerId;
  epoll_ctl(epoll_.get(), accepting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener_.fd.get(), &event);
}

void NetcatSource::accept_clients() {
  while (is_accepting_) {
    if (clients_.size() >= options_.max_connections) {
      if (!std::exchange(is_crowded_, true)) {
        log(LogLevel::warning, std::to_string(clients_.size()) +
                                   " clients are connected: others wait (--max-connections)");
      }
      set_accepting(false);
      return;
    }
    UniqueFd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      const int number = errno;
      if (number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM) {
        if (!std::exchange(is_crowded_, true)) {
          log(LogLevel::warning,
              system_error("cannot accept a client", number).message + "; trying again");
        }
        accept_retry_ms_ = monotonic_ms() + kAcceptRetryMs;
        set_accepting(false);
      }
      if (number == EINTR || number == ECONNABORTED) {
        continue;
      }
      return;
    }
    const int yes = 1;
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    const std::uint64_t id = ++accepted_;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = id;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
      log(LogLevel::warning, system_error("cannot accept a client", errno).message);
      continue;
    }
    clients_.emplace(id, std::make_unique<NetcatConnection>(std::move(fd), id, limit_));
  }
}

// ---------------------------------------------------------------- events

Result<Source::State> NetcatSource::produce(BlockBuilder& out) {
  // We are asked for more when what we gave is written.
  if (!has_state()) {
    answer(produced_);
  }
  run_timers();
  while (!pending_.empty()) {
    const auto found = clients_.find(pending_.front());
    if (found != clients_.end() && !take_lines(*found->second, out)) {
      return State::more;
    }
    pending_.pop_front();
    if (found != clients_.end()) {
      settle(*found->second);
    }
  }
  std::array<epoll_event, kEvents> events;
  const int n = epoll_wait(epoll_.get(), events.data(), kEvents, 0);
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kListenerId) {
      accept_clients();
    } else if (const auto found = clients_.find(event.data.u64); found != clients_.end()) {
      serve(*found->second, event.events, out);
    }
  }
  if (n < 0 && errno != EINTR) {
    return system_error(ErrorClass::io, "cannot wait for clients", errno);
  }
  return out.empty() && pending_.empty() ? State::wait : State::more;
}

// What epoll says of one client.
void NetcatSource::serve(NetcatConnection& client, std::uint32_t events, BlockBuilder& out) {
  if ((events & EPOLLOUT) != 0) {
    client.closing_ms = client.closing_ms < 0 ? -1 : monotonic_ms();
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !client.at_end()) {
    client.read();
    if (!take_lines(client, out)) {
      pending_.push_back(client.id());
      return;  // settled when its lines are taken
    }
  } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    remove(client.id());  // it hears no reply any more
    return;
  }
  settle(client);
}

// Moves the client's whole lines to `out`. False: a line found no room there.
bool NetcatSource::take_lines(NetcatConnection& client, BlockBuilder& out) {
  for (;;) {
    const NetcatConnection::Line got = client.next();
    if (got == NetcatConnection::Line::none) {
      return true;
    }
    if (got == NetcatConnection::Line::too_long) {
      refuse(client);
      return true;
    }
    std::string_view body = client.line();
    if (!charset_->passes()) {
      converted_.clear();
      const std::size_t malformed = charset_->append_utf8(converted_, body);
      body = converted_;
      if (LineLimit::units_of(body) + 1 > limit_.units || body.size() > limit_.body_bytes) {
        refuse(client);
        return true;
      }
      if (malformed > 0 && malformed_ == 0) {
        log(LogLevel::warning, "a line of " + peer_name(client.fd()) + " is not " +
                                   options_.encoding + ": U+FFFD stands for what is wrong");
      }
      malformed_ += malformed;
    }
    if (!out.fits(BlockBuilder::event_size({}, body))) {
      return false;
    }
    out.add({}, body);
    client.take();
    ++produced_;
    if (!options_.ack_every_event) {
      answered_ = produced_;
      continue;
    }
    ++client.unanswered;
    if (runs_.empty() || runs_.back().client != client.id()) {
      runs_.push_back({0, client.id(), 0});
    }
    runs_.back().end = produced_;
    ++runs_.back().count;
  }
}

void NetcatSource::refuse(NetcatConnection& client) {
  ++too_long_;
  log(LogLevel::warning, "a line of " + peer_name(client.fd()) + " exceeds --max-line-length (" +
                             std::to_string(options_.max_line_length) +
                             ", including newline): its connection is closed");
  client.refuse("FAILED: Event exceeds the maximum length (" +
                std::to_string(options_.max_line_length) + " chars, including newline)\n");
}

// ---------------------------------------------------------------- replies

// The first n events have got where the OK promises them to be.
void NetcatSource::answer(std::uint64_t n) {
  std::unordered_set<std::uint64_t> served;
  while (answered_ < n && !runs_.empty()) {
    Run& run = runs_.front();
    const std::uint64_t begin = run.end - run.count;
    const std::uint64_t count = std::min(n, run.end) - begin;
    if (const auto found = clients_.find(run.client); found != clients_.end()) {
      found->second->owe(count);
      found->second->unanswered -= count;
      served.insert(run.client);
    }
    run.count -= count;
    answered_ = begin + count;
    if (run.count == 0) {
      runs_.pop_front();
    }
  }
  for (const std::uint64_t id : served) {
    settle(*clients_.at(id));
  }
}

// Writes what the client is owed, ends what is over, and asks epoll for the rest.
void NetcatSource::settle(NetcatConnection& client) {
  if (client.lost() && client.rest() > 0) {
    log(LogLevel::warning, "a connection broke in the middle of a line: " +
                               count_of(client.rest(), "byte") + " dropped");
  }
  if (client.lost() || !client.write()) {
    remove(client.id());
    return;
  }
  const bool is_waiting =
      std::find(pending_.begin(), pending_.end(), client.id()) != pending_.end();
  if (client.is_answered() && !is_waiting) {
    if (client.at_end()) {
      remove(client.id());
      return;
    }
    if (client.refused()) {
      // Closing with unread bytes would reset the connection and take the reply with it.
      client.finish_sending();
    }
  }
  if ((client.at_end() || client.refused()) && client.unanswered == 0 && client.closing_ms < 0) {
    client.closing_ms = monotonic_ms();
    closing_.insert(client.id());
  }
  epoll_event event{};
  event.events = (client.at_end() ? 0u : EPOLLIN) | (client.has_unsent() ? EPOLLOUT : 0u);
  event.data.u64 = client.id();
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, client.fd(), &event);
}

void NetcatSource::remove(std::uint64_t id) {
  closing_.erase(id);
  clients_.erase(id);
  if (clients_.size() < options_.max_connections) {
    accept_retry_ms_ = -1;
    set_accepting(true);
  }
}

void NetcatSource::run_timers() {
  const std::int64_t now = monotonic_ms();
  if (accept_retry_ms_ >= 0 && now >= accept_retry_ms_) {
    accept_retry_ms_ = -1;
    set_accepting(true);
  }
  std::vector<std::uint64_t> over;
  for (const std::uint64_t id : closing_) {
    if (now - clients_.at(id)->closing_ms >= kClosingMs) {
      over.push_back(id);
    }
  }
  for (const std::uint64_t id : over) {
    remove(id);
  }
}

std::int64_t NetcatSource::deadline_ms() const {
  std::int64_t deadline = accept_retry_ms_;
  for (const std::uint64_t id : closing_) {
    const std::int64_t end = clients_.at(id)->closing_ms + kClosingMs;
    deadline = deadline < 0 ? end : std::min(deadline, end);
  }
  return deadline;
}

// ---------------------------------------------------------------- the end

Status NetcatSource::close() {
  std::uint64_t left = 0;
  for (const auto& [id, client] : clients_) {
    left += client->left();
    client->finish_sending();
    for (int i = 0; i < 64 && !client->at_end(); ++i) {
      client->read();  // unread bytes would reset the connection and take replies with them
    }
  }
  clients_.clear();
  closing_.clear();
  if (left > 0) {
    return Error{ErrorClass::again,
                 "stopped with " + count_of(left, "byte") + " received and not handed on",
                 "the clients got no OK for these lines"};
  }
  return {};
}

std::string NetcatSource::summary() const {
  std::string text = count_of(accepted_, "connection") + ", " + count_of(produced_, "event");
  if (too_long_ > 0) {
    text += ", " + count_of(too_long_, "line") + " too long";
  }
  if (malformed_ > 0) {
    text += ", " + count_of(malformed_, "malformed byte");
  }
  return text;
}

}  // namespace

ComponentType netcat_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "netcat";
  type.class_names = {"org.apache.flume.source.NetcatSource"};
  type.summary = "lines that clients send over TCP";
  type.description =
      "Listens on a TCP port and makes an event without headers of each line that a client sends; "
      "the body is the line without its newline (a carriage return stays). Each line is answered "
      "with OK. The first line on stderr is \"listening on ADDRESS:PORT\".\n\n"
      "A line that is longer than --max-line-length is answered with \"FAILED: Event exceeds the "
      "maximum length (512 chars, including newline)\", and its connection is closed; the lines "
      "before it are delivered.\n\n"
      "Other than in Flume, bytes that are not valid in the encoding do not close the connection, "
      "the end of a connection ends its last line too, and a slow pipeline makes clients wait "
      "instead of answering FAILED and losing the line. Replies that a client does not read cost "
      "nothing and stop nobody.\n\n"
      "There is no authentication: on an address that others reach, everybody can send events.";
  type.delivery =
      "An OK says that the line has been written to the stage behind this one: best effort up to "
      "the first durable hop. With --ok-at ack it says that the stages behind this one have "
      "acknowledged it by their rule, for example synced to a file; a client that sends a line "
      "again for which it got no OK makes that at least once. Lines without an OK may have been "
      "delivered.\n\n"
      "On a signal nobody is let in any more, and what was read is completed. Status 75 if lines "
      "were read and not handed on.";
  type.examples = {
      {"(fl-source netcat --port 0 --dry-run)", "Checks that the address can be listened on."},
      {"(timeout 1 fl-source netcat --bind localhost --port 0; true) | fl-channel memory | "
       "fl-sink logger",
       "The classic agent: connect with nc localhost PORT and type."},
  };
  type.options = options();
  type.source = factory<Source, NetcatSource, Options>();
  return type;
}

}  // namespace fl
