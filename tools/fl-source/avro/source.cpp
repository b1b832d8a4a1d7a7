#include "tools/fl-source/avro/source.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "common/access/open_server.h"
#include "common/avrorpc/call_events.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/reply_time.h"
#include "common/io/poll_set.h"

namespace fl {
namespace {

constexpr std::size_t kBudget = 64 << 20;
constexpr std::size_t kMostSpare = 1 << 20;
/// Replies that one client may be owed before it is not read any more.
constexpr std::size_t kMaxOwed = 256;
constexpr std::size_t kMaxUnsent = 64 << 10;
/// A client that sends so much of its request gets --request-timeout again and again.
constexpr std::uint64_t kLeastBytesPerSecond = 500;
/// The same while others wait for the memory that it holds.
constexpr std::uint64_t kLeastOfHolder = 64 << 10;
/// How long a client that has ended may take for the first bytes of its reply.
constexpr std::int64_t kHearMs = 10'000;
/// How long all clients together may take for their last replies when the stage stops.
constexpr std::int64_t kLastRepliesMs = 2000;

}  // namespace

AvroSource::AvroSource(AvroSourceOptions options) : options_(std::move(options)) {}

// ---------------------------------------------------------------- start

Status AvroSource::check_options() {
  if (options_.max_request.value < 1024) {
    return Error{ErrorClass::config, "--max-request must be at least 1K", {}};
  }
  const std::string& header = options_.access.client_ip_header;
  if (!header.empty()) {
    // An event is refused rather than passed on without it.
    constexpr std::uint32_t kValue = 64;
    limits_.headers -= 1;
    limits_.header_bytes -= static_cast<std::uint32_t>(header.size()) + kValue;
  }
  return {};
}

Status AvroSource::open(const StageContext& context) {
  limits_ = context.limits;
  whole_limits_ = context.limits;
  if (Status status = check_options(); !status) {
    return status;
  }
  settings_ = {options_.max_request.value, options_.compression == "deflate", &spare_};
  return open_server({options_.bind, options_.port}, options_.max_connections, options_.tls,
                     options_.access, context.dry_run, server_);
}

void AvroSource::reopen() { reopen_server(server_.get(), options_.tls); }

Status AvroSource::acknowledged_by(const Guarantee& guarantee) {
  return check_reply_time(options_.ack_at, guarantee, "replies", "batch");
}

// ---------------------------------------------------------------- events

Result<Source::State> AvroSource::produce(BlockBuilder& out) {
  // We are asked for more when what we gave is written.
  if (!has_state()) {
    answer(produced_);
  }
  if (!take_requests(out)) {
    return State::more;
  }
  server_->take_input(takes_requests());
  if (Status status = serve_due(); !status) {
    return status.error();
  }
  if (!take_requests(out)) {
    return State::more;
  }
  return out.empty() && !has_work() ? State::wait : State::more;
}

// Hands on what waits. False: there is no room for more of it.
bool AvroSource::take_requests(BlockBuilder& out) {
  for (const Id id : std::set<Id>(asked_)) {
    hear(id, *clients_.at(id));
  }
  for (;;) {
    if (current_) {
      if (!current_->hand_on(out, produced_)) {
        return false;
      }
      end_current();
    }
    if (waiting_.empty() || !takes_requests()) {
      unpark();
      return true;
    }
    const Id id = waiting_.front();
    waiting_.pop_front();
    if (const auto found = clients_.find(id); found != clients_.end()) {
      found->second->is_waiting = false;
      take_request(id, *found->second);
    }
  }
}

void AvroSource::end_current() {
  std::string message = std::move(*current_).message();
  if (message.capacity() > spare_.capacity() && message.capacity() <= kMostSpare) {
    spare_ = std::move(message);
  }
  current_.reset();
}

// False: the client of the request has gone, or has ended and it is not known yet.
bool AvroSource::has_client(Id id, AvroConnection& client) {
  switch (client.peer()) {
    case AvroConnection::Peer::there:
      return true;
    case AvroConnection::Peer::ended:
      break;
    case AvroConnection::Peer::gone:
      abandon(id);
      return false;
  }
  if (client.is_asked) {
    return true;
  }
  client.is_waiting = true;
  ask(id, client);
  return false;
}

// Finds out whether a client that has ended is there; hear() knows it later.
void AvroSource::ask(Id id, AvroConnection& client) {
  client.begin_reply();
  client.is_asked = true;
  client.asked_ms = monotonic_ms();
  asked_.insert(id);
  serve_client(id, client);
}

void AvroSource::hear(Id id, AvroConnection& client) {
  if (client.peer() == AvroConnection::Peer::gone || monotonic_ms() >= client.asked_ms + kHearMs) {
    abandon(id);
    return;
  }
  if (client.has_taken_all()) {
    client.asked_ms = -1;
    asked_.erase(id);
    if (client.is_waiting) {
      waiting_.push_back(id);
    }
  }
  serve_client(id, client);
}

void AvroSource::abandon(Id id) {
  abandoned_ += clients_.at(id)->has_request() ? 1U : 0U;
  remove(id);
}

void AvroSource::take_request(Id id, AvroConnection& client) {
  if (!has_client(id, client)) {
    return;
  }
  const Result<RpcCall> call = client.call();
  if (!call) {
    fail(id, client, call.error());
    return;
  }
  ++requests_;
  begin(id, client, *call);
  if (Status status = client.next(); !status) {
    fail(id, client, status.error());
    return;
  }
  look_for_request(id, client);
  if (!current_) {
    answer(acked_);  // it waits for no event of its own
  }
}

// An event may be within the limits, but not with a further header.
std::string AvroSource::complaint(const RpcCall& call, bool is_batch, const Error& why) const {
  if (options_.access.client_ip_header.empty() ||
      !CallEvents(call.parameters, is_batch, whole_limits_).count()) {
    return why.message;
  }
  return why.message.substr(0, why.message.find(':')) +  // "event 2"
         ": it leaves no room for --client-ip-header, which needs one of its 64 headers and some "
         "of their 64 KiB";
}

// Notes the reply to the request, and makes its events the next ones to hand on.
void AvroSource::begin(Id id, AvroConnection& client, RpcCall call) {
  const std::uint32_t serial = client.serial();
  RpcAnswer answer_with = RpcAnswer::ok;
  std::string text;
  std::uint64_t events = 0;
  switch (call.kind) {
    case RpcCall::Kind::append:
    case RpcCall::Kind::append_batch: {
      const bool is_batch = call.kind == RpcCall::Kind::append_batch;
      const auto count = CallEvents(call.parameters, is_batch, limits_).count();
      if (!count) {
        ++refused_;
        answer_with = RpcAnswer::error;
        const std::string why = complaint(call, is_batch, count.error());
        text = "refused: " + why;
        warn(rejected_, "a batch of " + client.name() + " is refused: " + why, "batch");
      } else if (*count > 0) {
        // The views of the call point into the message, which moves.
        const std::size_t at =
            static_cast<std::size_t>(call.parameters.data() - client.request().data());
        events = *count;
        const std::string host = server_->host(id);
        current_.emplace(std::move(client.request()), at, is_batch, limits_,
                         RequestEvents::Header{options_.access.client_ip_header, host,
                                               client_headers(options_.access, host)});
      }
      break;
    }
    case RpcCall::Kind::nothing:
      answer_with = RpcAnswer::nothing;
      break;
    case RpcCall::Kind::unknown:
      answer_with = RpcAnswer::error;
      text = "No such remote message: " + std::string(call.method.substr(0, 100));
      break;
    case RpcCall::Kind::refused:
      ++refused_;
      answer_with = RpcAnswer::error;
      text = call.why;
      client.is_refused = true;
      warn(rejected_, client.name() + " is refused: " + call.why, "client");
      break;
  }
  client.owe(serial, std::move(call.handshake), answer_with, std::move(text));
  ledger_.add(id, events);
}

// ---------------------------------------------------------------- waiting

bool AvroSource::takes_requests() const {
  return !ledger_.full() && !pause_.holds(acked_, monotonic_ms());
}

// Without room no client is read, and nobody accepted: replies still go out, and the late are
// ended.
void AvroSource::watch(PollSet& set, bool room) {
  has_room_ = room;
  if (server_) {
    server_->watch(set, room && takes_requests(), room && has_work());
    if (room && pause_.holds(acked_, monotonic_ms())) {
      set.wake_at(pause_.until_ms());
    }
  }
}

Status AvroSource::handle(const PollSet& set) {
  const bool is_due = server_ && server_->is_due(set);
  ready_ = has_room_ && (is_due || has_work());
  if (ready_ || !is_due) {
    return {};
  }
  return serve_due();
}

Status AvroSource::serve_due() {
  const auto events = server_->poll();
  if (!events) {
    return events.error();
  }
  for (const TcpServer::Event& event : **events) {
    serve(event);
  }
  return {};
}

void AvroSource::serve(const TcpServer::Event& event) {
  const Id id = event.client;
  if (event.what == TcpServer::What::connected) {
    auto& client = clients_[id];
    client =
        std::make_unique<AvroConnection>(server_->stream(id), server_->name(id), settings_, known_);
    set_deadline(id, *client);
    return;
  }
  const auto found = clients_.find(id);
  if (found == clients_.end()) {
    return;
  }
  AvroConnection& client = *found->second;
  switch (event.what) {
    case TcpServer::What::connected:
      break;
    case TcpServer::What::readable:
      read(id, client);
      break;
    case TcpServer::What::writable:
      client.unsent_since_ms = -1;
      serve_client(id, client);
      break;
    case TcpServer::What::late:
      late(id, client);
      break;
  }
}

void AvroSource::read(Id id, AvroConnection& client) {
  if (client.is_waiting || client.is_parked) {
    return;  // reported before the server heard that we do not want more
  }
  if (!may_read(id)) {
    client.is_parked = true;
    parked_.push_back(id);
    serve_client(id, client);
    return;
  }
  const Result<bool> more = client.read();
  if (!more) {
    fail(id, client, more.error());
    return;
  }
  if (client.at_end() && client.owed() > 0 && !client.is_asked) {
    ask(id, client);
    return;
  }
  look_for_request(id, client);
}

void AvroSource::look_for_request(Id id, AvroConnection& client) {
  count_held(id, client);
  if (client.is_refused) {
    serve_client(id, client);
    return;
  }
  if (client.has_request()) {
    client.is_waiting = true;
    waiting_.push_back(id);
  }
  serve_client(id, client);
}

bool AvroSource::may_read(Id id) const {
  return held_ < kBudget || holders_.empty() || *holders_.begin() == id;
}

void AvroSource::count_held(Id id, AvroConnection& client) {
  held_ += client.held() - client.counted;
  client.counted = client.held();
  if (client.counted > 0) {
    holders_.insert(id);
  } else {
    holders_.erase(id);
  }
}

// Those of the parked clients that may be read now.
void AvroSource::unpark() {
  if (parked_.empty() || !server_) {
    return;
  }
  std::deque<Id> still;
  for (const Id id : std::exchange(parked_, {})) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) {
      continue;
    }
    if (held_ >= kBudget / 2 && *holders_.begin() != id) {
      still.push_back(id);
      continue;
    }
    found->second->is_parked = false;
    found->second->since_ms = -1;  // it could not send
    serve_client(id, *found->second);
  }
  parked_ = std::move(still);
}

// What the client sends is not a request: nothing more of it can be understood.
void AvroSource::fail(Id id, AvroConnection& client, const Error& why) {
  std::string text = client.name() + ": " + why.message;
  if (!why.hint.empty()) {
    text += " (" + why.hint + ")";
  }
  warn(damaged_, text + "; the connection is closed", "connection");
  remove(id);
}

void AvroSource::late(Id id, AvroConnection& client) {
  if (client.asked_ms >= 0) {
    hear(id, client);
    return;
  }
  if (client.has_unsent()) {
    if (const std::int64_t more_ms = client.reader.more_ms(client.acknowledged()); more_ms > 0) {
      client.unsent_since_ms = monotonic_ms() + more_ms - SlowReader::kFirstMs;
      set_deadline(id, client);
      return;
    }
  }
  const auto enough = (parked_.empty() ? kLeastBytesPerSecond : kLeastOfHolder) *
                      static_cast<std::uint64_t>(options_.request_timeout.ms) / 1000;
  const bool is_fast = client.lacks_bytes() && client.arrived() > 0 && client.arrived() >= enough;
  const bool is_ours = server_->stream(id).unread() > 0;
  if (!client.has_unsent() && !client.at_end() && (is_fast || is_ours)) {
    client.since_ms = -1;  // it sends, or it is we who have not read
    set_deadline(id, client);
    return;
  }
  if (client.lacks_bytes() || client.has_unsent()) {
    const char* const what = client.has_unsent() ? " does not read its replies"
                             : parked_.empty()
                                 ? " has not sent the rest of its request"
                                 : " has not sent the rest of its request, and others wait for "
                                   "its memory";
    warn(late_, client.name() + what + "; the connection is closed", "connection");
  }
  remove(id);
}

// ---------------------------------------------------------------- replies

// The first n events have got where the reply promises them to be.
void AvroSource::answer(std::uint64_t n) {
  acked_ = std::max(acked_, n);
  pause_.acknowledged(acked_);
  if (!server_) {
    return;
  }
  std::unordered_set<Id> served;
  ledger_.acknowledge(acked_, [&](Id id, std::uint64_t replies) {
    const auto found = clients_.find(id);
    if (found != clients_.end()) {
      found->second->pay(replies);
      replied_ += replies;
      served.insert(id);
    }
  });
  for (const Id id : served) {
    serve_client(id, *clients_.at(id));
  }
}

// Writes what the client is owed, ends what is over, and asks the server for the rest.
void AvroSource::serve_client(Id id, AvroConnection& client) {
  const bool is_there = client.write();
  if (!is_there || ((client.at_end() || client.is_refused) && !client.is_waiting &&
                    client.owed() == 0 && !client.has_unsent())) {
    remove(id);
    return;
  }
  server_->want_input(id, !client.at_end() && !client.is_refused && !client.is_waiting &&
                              !client.is_parked && client.owed() < kMaxOwed &&
                              client.unsent() < kMaxUnsent);
  server_->want_output(id, client.has_unsent());
  set_deadline(id, client);
}

void AvroSource::set_deadline(Id id, AvroConnection& client) {
  const std::int64_t now = monotonic_ms();
  if (client.asked_ms >= 0) {
    server_->set_deadline(id, now + 1 + (now - client.asked_ms) / 4);
    return;
  }
  if (client.has_unsent()) {
    if (client.unsent_since_ms < 0) {
      client.unsent_since_ms = now;
      client.reader.reset();
    }
    client.since_ms = -1;  // one thing after the other
    server_->set_deadline(id, client.unsent_since_ms + SlowReader::kFirstMs);
    return;
  }
  client.unsent_since_ms = -1;
  if (client.lacks_bytes() && !client.is_parked) {
    if (client.since_ms < 0) {
      client.since_ms = now;
      client.count_arrived();
    }
    server_->set_deadline(id, client.since_ms + options_.request_timeout.ms);
  } else {
    client.since_ms = -1;
    const bool is_idle = client.owed() == 0 && !client.is_waiting && !client.is_parked;
    server_->set_deadline(
        id, is_idle && options_.idle_timeout.ms > 0 ? now + options_.idle_timeout.ms : -1);
  }
}

void AvroSource::remove(Id id) {
  AvroConnection& client = *clients_.at(id);
  if (client.owed() > 0 && acked_ < ledger_.events()) {
    pause_.left_behind(ledger_.events(), acked_, monotonic_ms());
  }
  held_ -= client.counted;
  asked_.erase(id);
  holders_.erase(id);
  server_->close(id);
  clients_.erase(id);
}

void AvroSource::warn(RepeatedWarning& of, const std::string& text, const std::string& each) {
  const std::int64_t now = monotonic_ms();
  if (!of.happened(now)) {
    return;
  }
  of.report(now, text, each);
}

// ---------------------------------------------------------------- the end

void AvroSource::stop() {
  if (server_) {
    server_->stop_listening();
    server_->take_input(false);
  }
}

// Bounded: clients that do not read must not keep the stage.
void AvroSource::send_last_replies() {
  const std::int64_t end = monotonic_ms() + kLastRepliesMs;
  server_->take_input(false);
  for (;;) {
    bool is_done = true;
    for (const auto& [id, client] : clients_) {
      const bool is_open = client->write() && client->has_unsent();
      server_->want_output(id, is_open);
      is_done = is_done && !is_open;
    }
    const std::int64_t left = end - monotonic_ms();
    if (is_done || left <= 0) {
      return;
    }
    pollfd entry{server_->wait_fd(), POLLIN, 0};
    (void)::poll(&entry, 1, static_cast<int>(left));
  }
}

Status AvroSource::close() {
  if (!server_) {
    return {};
  }
  send_last_replies();
  std::uint64_t unanswered = 0;
  for (const auto& [id, client] : clients_) {
    unanswered += client->owed() + (client->has_request() ? 1 : 0);
  }
  clients_.clear();
  waiting_.clear();
  parked_.clear();
  holders_.clear();
  asked_.clear();
  accepted_ = server_->accepted();
  server_.reset();
  if (unanswered > 0) {
    log(LogLevel::info,
        count_of(unanswered, "request") + " without a reply: the clients have to send them again");
  }
  return {};
}

std::string AvroSource::summary() const {
  std::string text = count_of(server_ ? server_->accepted() : accepted_, "connection") + ", " +
                     count_of(requests_, "request") + ", " + count_of(produced_, "event");
  if (refused_ > 0) {
    text += ", " + count_of(refused_, "request") + " refused";
  }
  if (abandoned_ > 0) {
    text += ", " + count_of(abandoned_, "request") + " of clients that had gone";
  }
  return text;
}

void AvroSource::figures(FigureList& out) const {
  out.gauge("connections", "Clients that are connected.", clients_.size()).said("connected");
  out.counter("connections_total", "Clients that have connected.",
              server_ ? server_->accepted() : accepted_);
  out.counter("requests_total", "Requests that were read.", requests_);
  out.counter("replies_total", "Requests that were answered.", replied_);
  out.counter("refused_total", "Requests that were answered with an error.", refused_)
      .said_if_any("refused");
  out.counter("abandoned_total", "Requests that were dropped because their client had gone.",
              abandoned_)
      .said_if_any("dropped, their clients had gone");
  out.gauge("held_bytes", "Bytes of requests that wait.", held_);
}

}  // namespace fl
