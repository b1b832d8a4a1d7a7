#include "tools/fl-sink/avro/sink.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "common/access/open_tls.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/poll_set.h"
#include "tools/fl-sink/avro/hosts.h"

namespace fl {

// ---------------------------------------------------------------- start

Status AvroSink::find_server() {
  if (options_.hosts.empty() == options_.hostname.empty()) {
    return Error{ErrorClass::usage,
                 options_.hosts.empty() ? "HOST:PORT is missing"
                                        : "HOST:PORT and --hostname exclude each other",
                 "for example: fl-sink avro collector:4141"};
  }
  const std::vector<std::string> hosts = hosts_of(options_);
  for (const std::string& host : hosts) {
    Result<HostPort> where = parse_host_port(host);
    if (!where) {
      return where.error();
    }
    where_ = std::move(*where);
  }
  if (group_kind(options_) == GroupKind::both) {
    return Error{ErrorClass::usage, "--failover and --balance are given, choose one", {}};
  }
  if (hosts.size() > 1) {
    return Error{ErrorClass::usage, "several hosts need --failover or --balance",
                 "--failover sends to the first one that works, --balance to all in turn"};
  }
  return {};
}

Status AvroSink::open(const StageContext& context) {
  if (Status status = find_server(); !status) {
    return status;
  }
  if (options_.batch_size == 0) {
    return Error{ErrorClass::usage, "--batch-size 0 would send nothing", {}};
  }
  if (options_.compression_level > 9) {
    return Error{ErrorClass::usage, "--compression-level is not between 0 and 9", {}};
  }
  auto tls = open_tls(options_.tls, TlsSide::client);
  if (!tls) {
    return tls.error();
  }
  tls_ = std::move(*tls);
  rule_ = "accepted by " + where_.text();
  limits_.grace_ms = context.grace_ms;
  limits_.give_up_ms = context.give_up_ms;
  limits_.tries = static_cast<std::int64_t>(std::min<std::uint64_t>(options_.attempts, INT64_MAX));
  input_over_ = context.input_over;
  return {};
}

std::optional<Guarantee> AvroSink::guarantee() const { return Guarantee{Level::durable, rule_}; }

// ---------------------------------------------------------------- events

Status AvroSink::deliver(const Batch& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    add(batch[i].bytes());
  }
  return {};
}

void AvroSink::add(std::string_view bytes) {
  const bool is_sent = link_ && link_->is_busy();
  const bool is_open = requests_.size() > (is_sent ? 1u : 0u);
  if (!is_open || requests_.back().count >= options_.batch_size ||
      requests_.back().events.size() + bytes.size() > kMaxRequest) {
    requests_.push_back({std::exchange(spare_, {})});
  }
  Request& request = requests_.back();
  request.events += bytes;
  ++request.count;
  held_ += bytes.size();
}

// ---------------------------------------------------------------- waiting

void AvroSink::watch(PollSet& set, bool) {
  index_ = -1;
  dialer_.watch(set);
  if (link_) {
    index_ = set.add(link_->fd(), link_->events());
  }
}

std::int64_t AvroSink::deadline_ms() const {
  if (dialer_.is_dialing()) {
    return dialer_.deadline_ms();
  }
  if (reply_due_ms_ >= 0 || ready_due_ms_ >= 0) {
    return std::max(reply_due_ms_, ready_due_ms_);  // one of the two
  }
  if (retry_.is_failing()) {
    if (limits_.ended_ms < 0 && is_ended()) {
      return 0;  // just now: handle() bounds what waits
    }
    return retry_.due_at(limits_);
  }
  return wants_to_send() ? 0 : -1;
}

Status AvroSink::handle(const PollSet& set) {
  const std::int64_t now = monotonic_ms();
  if (limits_.ended_ms < 0 && is_ended()) {
    limits_.ended_ms = now;
  }
  if (auto dialed = dialer_.handle(set)) {
    if (!*dialed) {
      return trouble(dialed->error(), false);
    }
    if (Status status = connected(std::move(**dialed)); !status) {
      return status;
    }
  }
  if (link_ && set.revents(index_) != 0) {
    if (Status status = serve_link(); !status) {
      return status;
    }
  }
  if (ready_due_ms_ >= 0 && now >= ready_due_ms_) {
    return trouble({ErrorClass::unavailable,
                    "no TLS handshake within --connect-timeout " +
                        to_string(options_.connect_timeout) + "; does the server use TLS?",
                    {}},
                   false);
  }
  if (reply_due_ms_ >= 0 && now >= reply_due_ms_) {
    return trouble({ErrorClass::unavailable,
                    "no reply within --request-timeout " + to_string(options_.request_timeout),
                    {}},
                   false);
  }
  return go_on();
}

Status AvroSink::connected(UniqueFd fd) {
  const bool is_packed = options_.compression == "deflate";
  auto session = tls_ ? tls_->session(fd.get(), where_.host) : nullptr;
  link_ = std::make_unique<AvroLink>(std::move(fd), std::move(session),
                                     is_packed ? static_cast<int>(options_.compression_level) : -1);
  index_ = -1;
  connected_ms_ = monotonic_ms();
  ++connections_;
  if (link_->is_ready()) {
    return {};
  }
  ready_due_ms_ = connected_ms_ + options_.connect_timeout.ms;
  return serve_link();
}

// The connection can be read or written.
Status AvroSink::serve_link() {
  if (!link_->is_ready()) {
    if (Status status = link_->shake_hands(); !status) {
      return trouble(status.error(), status.error().kind == ErrorClass::config);
    }
    if (link_->is_ready()) {
      ready_due_ms_ = -1;
    }
    return {};
  }
  const bool was_busy = link_->is_busy();
  const auto moved = link_->move();
  if (moved) {
    return *moved ? take_outcome(**moved) : Status();
  }
  if (was_busy) {
    return trouble(moved.error(), moved.error().kind != ErrorClass::unavailable);
  }
  disconnect();  // the server may close an idle connection
  return {};
}

// Sends the next request if it is time.
Status AvroSink::go_on() {
  const std::int64_t now = monotonic_ms();
  if (!wants_to_send() || dialer_.is_dialing()) {
    return {};
  }
  if (retry_.is_failing() && now < retry_.due_at(limits_)) {
    return {};
  }
  if (link_ && options_.reset_interval.ms > 0 &&
      now >= connected_ms_ + options_.reset_interval.ms) {
    disconnect();
  }
  if (!link_) {
    dialer_.dial(where_, options_.connect_timeout.ms);
    return {};
  }
  if (!link_->is_ready()) {
    return {};
  }
  const Request& request = requests_.front();
  link_->send(request.events, request.count);
  ++sent_requests_;
  reply_due_ms_ = now + options_.request_timeout.ms;
  const auto moved = link_->move();
  if (!moved) {
    return trouble(moved.error(), moved.error().kind != ErrorClass::unavailable);
  }
  return *moved ? take_outcome(**moved) : Status();
}

Status AvroSink::take_outcome(const RpcOutcome& outcome) {
  reply_due_ms_ = -1;
  switch (outcome.kind) {
    case RpcOutcome::Kind::again:
      break;
    case RpcOutcome::Kind::failed:
      // The connection is as good as before, and the events stay here.
      return trouble({ErrorClass::unavailable, "the batch is answered FAILED",
                      "Flume answers so when its channel is full or takes smaller batches only "
                      "(transactionCapacity): see --batch-size"},
                     false);
    case RpcOutcome::Kind::error:
      return trouble({ErrorClass::unavailable, "the batch is refused: " + outcome.text, {}}, true);
    case RpcOutcome::Kind::ok: {
      Request& request = requests_.front();
      safe_ += request.count;
      held_ -= request.events.size();
      request.events.clear();
      spare_ = std::move(request.events);
      requests_.pop_front();
      if (retry_.is_failing()) {
        const std::int64_t now = monotonic_ms();
        retry_.succeeded();
        alarm_.clear(now);
        why_.reset();
      }
      break;
    }
  }
  return {};
}

// ---------------------------------------------------------------- failures

// The request stays, and is sent again after a pause.
Status AvroSink::trouble(Error why, bool needs_person) {
  const std::int64_t now = monotonic_ms();
  if (why.message.find(where_.text()) == std::string::npos) {
    why.message = where_.text() + ": " + why.message;
  }
  // What a server answers is no reason to leave it; anything else is.
  if (!link_ || !link_->is_ready() || link_->is_busy() || reply_due_ms_ >= 0 ||
      why.kind != ErrorClass::unavailable) {
    disconnect();
  }
  why.kind = why.kind == ErrorClass::unavailable ? why.kind : ErrorClass::unavailable;
  ++failures_;
  retry_.failed(now, needs_person, limits_);
  if (retry_.is_over(now, limits_)) {
    why.message += retry_.tried_for(now);
    return why;
  }
  why_ = why;
  std::uint64_t events = 0;
  for (const Request& request : requests_) {
    events += request.count;
  }
  alarm_.raise(now, {why, needs_person, {}}, count_of(events, "event"), limits_.until_text());
  return {};
}

void AvroSink::disconnect() {
  link_.reset();
  dialer_.stop();
  reply_due_ms_ = -1;
  ready_due_ms_ = -1;
}

std::optional<Error> AvroSink::missing() const { return why_; }

Status AvroSink::close() {
  disconnect();
  return {};
}

// For connections to come.
void AvroSink::reopen() {
  if (auto tls = reopen_tls(options_.tls, TlsSide::client)) {
    tls_ = std::move(tls);
  }
}

std::string AvroSink::status() const { return alarm_.status(monotonic_ms()); }

void AvroSink::figures(FigureList& out) const {
  out.counter("requests_total", "Requests that were sent.", sent_requests_).said("requests");
  out.counter("connections_total", "Connections that were made.", connections_);
  out.counter("failures_total", "Requests and connections that failed and are tried again.",
              failures_)
      .said_if_any("failures");
  out.gauge("connected", "1 while there is a connection.", link_ ? 1 : 0);
  out.gauge("held_bytes", "Bytes of events that are not acknowledged.", held_);
  if (!alarm_.name().empty()) {
    out.alarm(alarm_.name());
  }
}

}  // namespace fl
