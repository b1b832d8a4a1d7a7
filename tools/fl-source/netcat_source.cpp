#include "tools/fl-source/netcat_source.h"

#include <poll.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "common/access/open_server.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/poll_set.h"

namespace fl {
namespace {

/// How long a client that has ended, or was refused, may take for its last answers or bytes without
/// any progress.
constexpr std::int64_t kClosingMs = 10'000;
/// How long all clients together may take for their last answers when the stage stops.
constexpr std::int64_t kLastAnswersMs = 2000;
constexpr int kLastReads = 64;

}  // namespace

// ---------------------------------------------------------------- start

Status NetcatSource::open(const StageContext& context) {
  limits_ = context.limits;
  if (options_.max_line_length < 2 || options_.max_line_length - 1 > limits_.body_bytes) {
    return Error{ErrorClass::config,
                 "--max-line-length " + std::to_string(options_.max_line_length) +
                     " is not between 2 and " + std::to_string(limits_.body_bytes + 1ull),
                 "--max-event allows longer events"};
  }
  auto charset = LineCharset::open(options_.encoding);
  if (!charset) {
    return charset.error();
  }
  charset_.emplace(std::move(*charset));
  format_ = {{options_.max_line_length, limits_.body_bytes},
             charset_->passes(),
             charset_->unit(),
             charset_->has_mark()};
  return open_server({options_.bind, options_.port}, options_.max_connections, options_.tls,
                     options_.access, context.dry_run, server_);
}

void NetcatSource::reopen() { reopen_server(server_.get(), options_.tls); }

// ---------------------------------------------------------------- events

Result<Source::State> NetcatSource::produce(BlockBuilder& out) {
  // We are asked for more when what we gave is written.
  if (!has_state()) {
    answer(produced_);
  }
  if (!take_waiting(out)) {
    return State::more;
  }
  server_->take_input(!ledger_.full());
  if (Status status = serve_due(out); !status) {
    return status.error();
  }
  return out.empty() && !has_lines() ? State::wait : State::more;
}

// Without room no client is read, and nobody accepted: answers still go out, and the late are
// ended.
void NetcatSource::watch(PollSet& set, bool room) {
  has_room_ = room;
  if (server_) {
    server_->watch(set, room && !ledger_.full(), room && has_lines());
  }
}

Status NetcatSource::handle(const PollSet& set) {
  const bool is_due = server_ && server_->is_due(set);
  ready_ = has_room_ && (is_due || has_lines());
  if (ready_ || !is_due) {
    return {};
  }
  BlockBuilder none;  // no input is taken
  return serve_due(none);
}

Status NetcatSource::serve_due(BlockBuilder& out) {
  const auto events = server_->poll();
  if (!events) {
    return events.error();
  }
  for (const TcpServer::Event& event : **events) {
    if (Status status = serve(event, out); !status) {
      return status;
    }
  }
  return {};
}

// Serves the clients whose lines found no room. False: there is none again.
bool NetcatSource::take_waiting(BlockBuilder& out) {
  while (!waiting_.empty() && !ledger_.full()) {
    const Id id = waiting_.front();
    if (const auto found = clients_.find(id); found != clients_.end()) {
      if (!take_lines(id, *found->second, out)) {
        return false;
      }
      found->second->is_waiting = false;
      serve_client(id, *found->second);
    }
    waiting_.pop_front();
  }
  return true;
}

Status NetcatSource::serve(const TcpServer::Event& event, BlockBuilder& out) {
  if (event.what == TcpServer::What::connected) {
    auto& client = clients_[event.client];
    client = std::make_unique<NetcatConnection>(server_->stream(event.client),
                                                server_->name(event.client), format_);
    client->map = client_headers(options_.access, server_->host(event.client));
    if (!client->map.empty()) {
      client->map += '\0';  // the end of the map
    }
    limit_idleness(event.client, *client);
    return {};
  }
  const auto found = clients_.find(event.client);
  if (found == clients_.end()) {
    return {};
  }
  NetcatConnection& client = *found->second;
  switch (event.what) {
    case TcpServer::What::connected:
      break;
    case TcpServer::What::readable:
      read(event.client, client, out);
      break;
    case TcpServer::What::writable:
      server_->set_deadline(event.client, -1);  // it makes progress: serve_client() sets it anew
      serve_client(event.client, client);
      break;
    case TcpServer::What::late:
      be_late(event.client, client);
      break;
  }
  return {};
}

void NetcatSource::read(Id id, NetcatConnection& client, BlockBuilder& out) {
  if (client.is_waiting) {
    return;  // reported before the server heard that we do not want more
  }
  client.read();
  if (ledger_.full() || !take_lines(id, client, out)) {
    client.is_waiting = true;
    waiting_.push_back(id);
    server_->want_input(id, false);
    return;  // settled when its lines are taken
  }
  serve_client(id, client);
}

// Moves the client's whole lines to `out`. False: a line found no room there.
bool NetcatSource::take_lines(Id id, NetcatConnection& client, BlockBuilder& out) {
  for (;;) {
    const NetcatConnection::Line got = client.next();
    if (got == NetcatConnection::Line::none) {
      return true;
    }
    if (got == NetcatConnection::Line::too_long) {
      refuse(client);
      return true;
    }
    const std::optional<std::string_view> body = converted(client);
    if (!body) {
      refuse(client);
      return true;
    }
    if (!out.fits(BlockBuilder::event_size(client.map, *body))) {
      return false;
    }
    out.add(client.map, *body);
    client.take();
    client.is_active = true;
    ++produced_;
    if (options_.ack_every_event) {
      ++client.unanswered;
      ledger_.add(id, 1);
    }
  }
}

// The client's line as UTF-8; nothing: it is too long.
std::optional<std::string_view> NetcatSource::converted(NetcatConnection& client) {
  if (charset_->passes()) {
    return client.line();
  }
  converted_.clear();
  const std::size_t malformed = charset_->append_utf8(converted_, client.line(), client.unit());
  if (LineLimit::units_of(converted_) + 1 > format_.limit.units ||
      converted_.size() > format_.limit.body_bytes) {
    return std::nullopt;
  }
  if (malformed > 0 && malformed_ == 0) {
    log(LogLevel::warning, "a line of " + client.name() + " is not valid " + options_.encoding +
                               ": malformed bytes are replaced by U+FFFD");
  }
  malformed_ += malformed;
  return converted_;
}

void NetcatSource::refuse(NetcatConnection& client) {
  ++too_long_;
  log(LogLevel::warning, "a line of " + client.name() + " exceeds --max-line-length (" +
                             std::to_string(options_.max_line_length) +
                             ", including newline): its connection is closed");
  client.refuse("FAILED: Event exceeds the maximum length (" +
                std::to_string(options_.max_line_length) + " chars, including newline)\n");
}

// ---------------------------------------------------------------- answers

// The first n events have got where the OK promises them to be.
void NetcatSource::answer(std::uint64_t n) {
  if (!server_) {
    return;
  }
  std::unordered_set<Id> served;
  ledger_.acknowledge(n, [&](Id id, std::uint64_t answers) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) {
      dropped_answers_ += answers;
      return;
    }
    found->second->owe(answers);
    found->second->unanswered -= answers;
    served.insert(id);
  });
  for (const Id id : served) {
    serve_client(id, *clients_.at(id));
  }
}

// Writes what the client is owed, ends what is over, and asks the server for the rest.
void NetcatSource::serve_client(Id id, NetcatConnection& client) {
  client.write();
  if (!client.is_waiting) {
    if (client.at_end() && (client.is_answered() || client.is_deaf() || client.lost())) {
      remove(id);
      return;
    }
    if (client.refused() && client.is_answered()) {
      // Closing with unread bytes would reset the connection and take the answer with it.
      client.finish_sending();
    }
  }
  server_->want_input(id, !client.at_end() && !client.is_waiting);
  server_->want_output(id, client.has_unsent());
  if ((client.at_end() || client.refused()) && client.unanswered == 0 &&
      !server_->has_deadline(id)) {
    server_->set_deadline(id, monotonic_ms() + kClosingMs);
  }
  limit_idleness(id, client);
}

// A client that waits for us, or for which we have no room, is not idle. The time begins anew with
// each whole line: bytes of a line that never ends do not count.
void NetcatSource::limit_idleness(Id id, NetcatConnection& client) {
  if (options_.idle_timeout.ms <= 0 || client.at_end() || client.refused()) {
    return;
  }
  if (client.is_waiting || !client.is_answered()) {
    server_->set_deadline(id, -1);
  } else if (std::exchange(client.is_active, false) || !server_->has_deadline(id)) {
    server_->set_deadline(id, monotonic_ms() + options_.idle_timeout.ms);
  }
}

void NetcatSource::be_late(Id id, NetcatConnection& client) {
  if (client.at_end() || client.refused()) {
    remove(id);
    return;
  }
  if (!has_room_ || ledger_.full() || server_->stream(id).unread() > 0) {  // the delay is ours
    limit_idleness(id, client);
    return;
  }
  const std::int64_t now = monotonic_ms();
  if (idle_.happened(now)) {
    const std::string rest = client.rest() == 0 ? std::string()
                                                : ", " + count_of(client.rest(), "byte") +
                                                      " of an unfinished line dropped";
    idle_.report(now,
                 client.name() + " has sent no line for " + to_string(options_.idle_timeout) +
                     " (--idle-timeout): its connection is closed" + rest,
                 "idle client");
  }
  remove(id);
}

void NetcatSource::remove(Id id) {
  NetcatConnection& client = *clients_.at(id);
  client.stop_answering();
  dropped_answers_ += client.dropped();
  if (client.lost()) {
    report_loss(client);
  }
  server_->close(id);
  clients_.erase(id);
}

void NetcatSource::report_loss(const NetcatConnection& client) {
  const std::int64_t now = monotonic_ms();
  if (!resets_.happened(now) && client.rest() == 0) {
    return;
  }
  std::string text = client.name() + " has reset its connection: what it sent last may be lost";
  if (client.rest() > 0) {
    text += ", " + count_of(client.rest(), "byte") + " of an unfinished line dropped";
  }
  if (client.dropped() > 0) {
    text += ", " + count_of(client.dropped(), "answer") + " not read";
  }
  resets_.report(now, std::move(text), "reset");
}

// ---------------------------------------------------------------- the end

void NetcatSource::stop() {
  if (!server_) {
    return;
  }
  server_->stop_listening();
  server_->take_input(false);
  for (const auto& [id, client] : clients_) {
    if (!client->at_end() && !client->refused()) {
      left_ += server_->stream(id).unread();
    }
  }
}

// Bounded: clients that do not read must not keep the stage.
void NetcatSource::send_last_answers() {
  const std::int64_t end = monotonic_ms() + kLastAnswersMs;
  server_->take_input(false);
  for (;;) {
    bool is_done = true;
    for (const auto& [id, client] : clients_) {
      client->write();
      server_->want_output(id, client->has_unsent());
      is_done = is_done && !client->has_unsent();
    }
    const std::int64_t left = end - monotonic_ms();
    if (is_done || left <= 0) {
      return;
    }
    pollfd entry{server_->wait_fd(), POLLIN, 0};
    (void)::poll(&entry, 1, static_cast<int>(left));
  }
}

Status NetcatSource::close() {
  if (!server_) {
    return {};
  }
  send_last_answers();
  std::uint64_t unfinished = 0;
  for (const auto& [id, client] : clients_) {
    left_ += client->left();
    unfinished += client->rest() - client->left();
    client->stop_answering();
    dropped_answers_ += client->dropped() + client->unanswered;
    client->finish_sending();
    for (int i = 0; i < kLastReads && !client->at_end(); ++i) {
      client->read();  // unread bytes would reset the connection and take answers with them
    }
  }
  clients_.clear();
  accepted_ = server_->accepted();
  server_.reset();
  if (unfinished > 0) {
    log(LogLevel::warning, count_of(unfinished, "byte") + " of unfinished lines dropped");
  }
  if (left_ > 0) {
    return Error{ErrorClass::again,
                 "stopped with " + count_of(left_, "byte") + " received but not passed on",
                 options_.ack_every_event ? "the clients got no OK for these lines"
                                          : "the clients do not know: --ack-every-event is off"};
  }
  return {};
}

std::string NetcatSource::summary() const {
  std::string text = count_of(server_ ? server_->accepted() : accepted_, "connection") + ", " +
                     count_of(produced_, "event");
  if (too_long_ > 0) {
    text += ", " + count_of(too_long_, "line") + " too long";
  }
  if (malformed_ > 0) {
    text += ", " + count_of(malformed_, "malformed byte");
  }
  if (dropped_answers_ > 0) {
    text += ", " + count_of(dropped_answers_, "answer") + " not read by clients";
  }
  if (resets_.total() > 0) {
    text += ", " + count_of(resets_.total(), "connection") + " reset by clients";
  }
  if (idle_.total() > 0) {
    text += ", " + count_of(idle_.total(), "idle connection") + " closed";
  }
  return text;
}

}  // namespace fl
