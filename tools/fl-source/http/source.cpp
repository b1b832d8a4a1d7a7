#include "tools/fl-source/http/source.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/access/open_tls.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/line_rules.h"
#include "common/component/reply_time.h"
#include "common/io/poll_set.h"

namespace fl {
namespace {

constexpr std::size_t kBudget = 64 << 20;
constexpr std::size_t kUnpack = 64 << 10;
/// How long all clients together may take for their last answers when the stage stops.
constexpr std::int64_t kLastAnswersMs = 2000;
constexpr const char* kStopping = "the source is stopping";

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (end > at) {
      names.push_back(list.substr(at, end - at));
    }
    at = end + 1;
  }
  return names;
}

}  // namespace

HttpSource::HttpSource(HttpSourceOptions options) : options_(std::move(options)) {}

// ---------------------------------------------------------------- start

Status HttpSource::check_options() const {
  if (options_.max_connections == 0) {
    return Error{ErrorClass::config, "--max-connections 0 would accept no client", {}};
  }
  if (options_.max_body.value < 1024) {
    return Error{ErrorClass::config, "--max-body must be at least 1K", {}};
  }
  if (options_.max_blob == 0) {
    return Error{ErrorClass::config, "--max-blob-length must be greater than 0", {}};
  }
  for (const auto& [name, time] :
       {std::pair("head", options_.head_timeout), std::pair("body", options_.body_timeout),
        std::pair("idle", options_.idle_timeout)}) {
    if (time.ms <= 0) {
      return Error{ErrorClass::config, std::string("--") + name + "-timeout must be above 0", {}};
    }
  }
  return {};
}

Status HttpSource::open(const StageContext& context) {
  limits_ = context.limits;
  if (Status status = check_options(); !status) {
    return status;
  }
  if (Status status = auth_.open(options_.user, options_.password, options_.token); !status) {
    return status;
  }
  BodyOptions body{options_.handler, options_.max_blob, split(options_.mandatory)};
  if (context.text != nullptr) {
    const Result<LineRules> rules = line_rules(*context.text);
    if (!rules) {
      return rules.error();
    }
    body.delimiter = rules->delimiter;
    body.strip_cr = rules->strip_cr;
  }
  body.client_header = options_.access.client_ip_header;
  const auto tls = open_tls(options_.tls, TlsSide::server);
  if (!tls) {
    return tls.error();
  }
  const auto filter = open_access(options_.access);
  if (!filter) {
    return filter.error();
  }
  handler_ = std::make_unique<BodyHandler>(std::move(body), limits_);
  HttpServer::Settings settings;
  settings.tcp = {{options_.bind, options_.port}, options_.max_connections};
  settings.tcp.tls = *tls;
  settings.tcp.filter = *filter;
  settings.tcp.handshake_ms = options_.tls.handshake_timeout.ms;
  settings.head_ms = options_.head_timeout.ms;
  settings.body_ms = options_.body_timeout.ms;
  settings.idle_ms = options_.idle_timeout.ms;
  auto server = HttpServer::listen(std::move(settings), *this);
  if (!server) {
    return server.error();
  }
  if (context.dry_run) {
    return {};
  }
  server_ = std::move(*server);
  log(LogLevel::info, "listening on " + server_->address());
  warn_of_strangers();
  return {};
}

void HttpSource::warn_of_strangers() const {
  if (server_->is_loopback()) {
    return;
  }
  if (auth_.is_on() && !options_.tls.use) {
    log(LogLevel::warning, "passwords and events go unencrypted to " + server_->address());
  } else if (!auth_.is_on() && options_.tls.truststore.empty()) {
    log(LogLevel::warning, "everybody who can reach " + server_->address() +
                               " can send events: there is no authentication" +
                               (options_.tls.use ? "" : " and no encryption"));
  }
}

void HttpSource::reopen() {
  if (auto tls = reopen_tls(options_.tls, TlsSide::server); tls && server_) {
    server_->set_tls(std::move(tls));
  }
}

Status HttpSource::acknowledged_by(const Guarantee& guarantee) {
  return check_reply_time(options_.ack_at, guarantee, "answers", "request");
}

// ---------------------------------------------------------------- requests

std::optional<HttpAnswer> HttpSource::check_head(const HttpHead& head) const {
  const std::string_view method = head.method;
  const bool reads = method == "GET" || method == "HEAD";
  if (reads && !head.has_body && !options_.health.empty() && head.path == options_.health) {
    return is_stopping_ ? busy(kStopping) : HttpAnswer{200, "ok"};
  }
  if (!auth_.accepts(head.header("Authorization"))) {
    return HttpAnswer{
        401, "not authorized", {{"WWW-Authenticate", std::string(auth_.challenge())}}};
  }
  if (method == "OPTIONS" || method == "TRACE") {
    return HttpAnswer{403, "this method is not allowed"};
  }
  if (method == "PUT" || method == "DELETE") {
    return HttpAnswer{405, "only POST, GET and HEAD are allowed", {{"Allow", "POST, GET, HEAD"}}};
  }
  if (method != "POST" && !reads) {
    return HttpAnswer{501, "this method is not implemented"};
  }
  if (is_stopping_) {
    return busy(kStopping);
  }
  if (head.length.value_or(0) > options_.max_body.value) {
    return too_large();
  }
  return std::nullopt;
}

std::optional<HttpAnswer> HttpSource::head(Id client, const HttpHead& head) {
  if (std::optional<HttpAnswer> answer = check_head(head)) {
    if (answer->status != 200) {
      note_refused(client, *answer);
    }
    return answer;
  }
  Request request;
  request.head.content_type = head.header("Content-Type").value_or("");
  request.head.parameters = head.parameters;
  request.head.client = server_->host(client);
  const std::string_view coding = head.header("Content-Encoding").value_or("");
  const auto is = [&coding](std::string_view name) {
    return coding.size() == name.size() &&
           ::strncasecmp(coding.data(), name.data(), name.size()) == 0;
  };
  std::optional<HttpAnswer> answer;
  if (is("gzip") || is("x-gzip")) {
    auto unpacker = open_stream_decompressor(Compression::gzip);
    if (unpacker) {
      request.unpacker = std::move(*unpacker);
    } else {
      answer = HttpAnswer{500, unpacker.error().message};
    }
  } else if (!coding.empty() && !is("identity")) {
    answer = HttpAnswer{415, "the only Content-Encoding is gzip", {{"Accept-Encoding", "gzip"}}};
  }
  if (answer) {
    note_refused(client, *answer);
    return answer;
  }
  ++taken_;
  requests_[client] = std::move(request);
  return std::nullopt;
}

bool HttpSource::can_take(Id client) {
  if (held_ < kBudget || holders_.empty() || *holders_.begin() == client) {
    return true;
  }
  parked_.push_back(client);
  return false;
}

std::optional<HttpAnswer> HttpSource::body(Id client, std::string_view bytes) {
  const auto found = requests_.find(client);
  if (found == requests_.end()) {
    return std::nullopt;
  }
  Request& request = found->second;
  std::optional<HttpAnswer> answer;
  if (request.unpacker) {
    answer = unpack(request, bytes);
  } else if (request.body.size() + bytes.size() > options_.max_body.value) {
    answer = too_large();
  } else {
    request.body += bytes;
  }
  if (answer) {
    note_refused(client, *answer);
    request.body = {};
    request.unpacker.reset();
  }
  count_held(client, request);
  return answer;
}

std::optional<HttpAnswer> HttpSource::unpack(Request& request, std::string_view bytes) {
  std::array<std::uint8_t, kUnpack> piece;
  for (;;) {
    const Result<std::size_t> size = request.unpacker->decode(bytes, piece.data(), piece.size());
    if (!size) {
      return HttpAnswer{400, "the gzip data is damaged: " + size.error().message};
    }
    if (*size == 0) {
      return std::nullopt;
    }
    if (request.body.size() + *size > options_.max_body.value) {
      return too_large();
    }
    request.body.append(reinterpret_cast<const char*>(piece.data()), *size);
  }
}

std::optional<HttpAnswer> HttpSource::whole(Id client) {
  const auto found = requests_.find(client);
  if (found == requests_.end()) {
    return busy(kStopping);
  }
  Request& request = found->second;
  if (is_stopping_) {
    return busy(kStopping);
  }
  std::optional<HttpAnswer> answer;
  if (request.unpacker && !request.unpacker->complete()) {
    answer = HttpAnswer{400, "the gzip data ends too early"};
  } else {
    auto outcome = handler_->events(request.head, request.body);
    if (auto* const refused = std::get_if<HttpAnswer>(&outcome)) {
      answer = std::move(*refused);
    } else {
      request.events = std::move(std::get<EncodedEvents>(outcome));
      if (request.events.sizes.empty()) {
        ++replied_;
        return HttpAnswer{};
      }
    }
  }
  if (answer) {
    note_refused(client, *answer);
    return answer;
  }
  request.body = {};
  request.unpacker.reset();
  request.since_ms = monotonic_ms();
  count_held(client, request);
  waiting_.push_back(client);
  return std::nullopt;
}

void HttpSource::over(Id client, bool) {
  const auto found = requests_.find(client);
  if (found != requests_.end()) {
    found->second.body = {};
    found->second.events = {};
    count_held(client, found->second);
    requests_.erase(found);
  }
  unanswered_.erase(client);
}

HttpAnswer HttpSource::too_large() const {
  return {413, "the body is larger than --max-body " + to_string(options_.max_body)};
}

HttpAnswer HttpSource::busy(const std::string& why) const {
  return {503, why, {{"Retry-After", "5"}}};
}

void HttpSource::note_refused(Id client, const HttpAnswer& answer) {
  ++refused_;
  const std::int64_t now = monotonic_ms();
  if (!rejected_.happened(now)) {
    return;
  }
  rejected_.report(now,
                   "a request of " + server_->name(client) + " is refused (" +
                       std::to_string(answer.status) + "): " + answer.text,
                   "request");
}

void HttpSource::count_held(Id client, Request& request) {
  const std::size_t holds = request.body.size() + request.events.bytes.size() +
                            request.events.sizes.size() * sizeof request.events.sizes[0];
  held_ += holds - request.counted;
  request.counted = holds;
  if (holds > 0) {
    holders_.insert(client);
  } else {
    holders_.erase(client);
  }
}

// Lets the parked clients ask again.
void HttpSource::unpark() {
  if (parked_.empty() ||
      (held_ >= kBudget / 2 && !holders_.empty() &&
       std::find(parked_.begin(), parked_.end(), *holders_.begin()) == parked_.end())) {
    return;
  }
  for (const Id client : std::exchange(parked_, {})) {
    server_->resume(client);
  }
}

// ---------------------------------------------------------------- events

Result<Source::State> HttpSource::produce(BlockBuilder& out) {
  // We are asked for more when what we gave is written.
  if (!has_state()) {
    answer(produced_);
  }
  if (!take_requests(out)) {
    return State::more;
  }
  unpark();
  return out.empty() ? State::wait : State::more;
}

// Hands on whole requests. False: there is no room for more.
bool HttpSource::take_requests(BlockBuilder& out) {
  for (;;) {
    if (current_ && !hand_on(out)) {
      return false;
    }
    if (waiting_.empty() || ledger_.full()) {
      return true;
    }
    const Id client = waiting_.front();
    waiting_.pop_front();
    const auto found = requests_.find(client);
    if (found == requests_.end() || found->second.since_ms < 0) {
      continue;
    }
    Request& request = found->second;
    request.since_ms = -1;
    current_ = Current{std::move(request.events)};
    request.events = {};
    count_held(client, request);
    ledger_.add(client, current_->events.sizes.size());
    unanswered_.insert(client);
  }
}

// Copies events of the current request. False: the rest of them found no room.
bool HttpSource::hand_on(BlockBuilder& out) {
  Current& current = *current_;
  while (current.next < current.events.sizes.size()) {
    std::size_t size = current.events.sizes[current.next];
    if (!out.fits(size)) {
      return false;
    }
    std::uint64_t count = 1;
    while (current.next + count < current.events.sizes.size() &&
           out.fits_run(size + current.events.sizes[current.next + count], count + 1)) {
      size += current.events.sizes[current.next + count];
      ++count;
    }
    out.add_encoded({}, std::string_view(current.events.bytes).substr(current.offset, size), count);
    current.offset += size;
    current.next += count;
    produced_ += count;
  }
  current_.reset();
  return true;
}

// The first n events have got where the answer promises them to be.
void HttpSource::answer(std::uint64_t n) {
  acked_ = std::max(acked_, n);
  if (!server_) {
    return;
  }
  ledger_.acknowledge(acked_, [&](Id client, std::uint64_t) {
    if (unanswered_.erase(client) > 0) {
      ++replied_;
      server_->reply(client, HttpAnswer{});
    }
  });
}

Status HttpSource::acked(std::uint64_t n) {
  answer(n);
  return {};
}

// ---------------------------------------------------------------- waiting

// The server is served also without room: what comes in is bounded, and nothing spins.
void HttpSource::watch(PollSet& set, bool room) {
  if (!server_) {
    return;
  }
  server_->watch(set);
  if (room && has_work()) {
    set.wake_at(0);
  }
  while (!waiting_.empty()) {
    const auto found = requests_.find(waiting_.front());
    if (found != requests_.end() && found->second.since_ms >= 0) {
      if (options_.busy_after.ms > 0) {
        set.wake_at(found->second.since_ms + options_.busy_after.ms);
      }
      break;
    }
    waiting_.pop_front();  // gone
  }
}

Status HttpSource::handle(const PollSet& set) {
  if (!server_) {
    return {};
  }
  if (Status status = server_->handle(set); !status) {
    return status;
  }
  if (options_.busy_after.ms > 0) {
    refuse_old();
  }
  unpark();
  return {};
}

void HttpSource::refuse_old() {
  const std::int64_t now = monotonic_ms();
  while (!waiting_.empty()) {
    const Id client = waiting_.front();
    const auto found = requests_.find(client);
    if (found != requests_.end() && found->second.since_ms >= 0) {
      if (now < found->second.since_ms + options_.busy_after.ms) {
        return;
      }
      const HttpAnswer answer =
          busy("the next stage has taken nothing for " + to_string(options_.busy_after));
      note_refused(client, answer);
      found->second.since_ms = -1;
      found->second.events = {};
      count_held(client, found->second);
      server_->reply(client, answer);
    }
    waiting_.pop_front();
  }
}

// ---------------------------------------------------------------- the end

void HttpSource::stop() {
  is_stopping_ = true;
  if (!server_) {
    return;
  }
  server_->stop_listening();
  for (const Id client : std::exchange(waiting_, {})) {
    server_->reply(client, busy(kStopping));
  }
}

Status HttpSource::close() {
  if (!server_) {
    return {};
  }
  is_stopping_ = true;
  for (const Id client : std::exchange(waiting_, {})) {
    server_->reply(client, busy(kStopping));
  }
  const std::size_t unanswered = unanswered_.size();
  for (const Id client : std::exchange(unanswered_, {})) {
    server_->reply(client, busy(kStopping));
  }
  server_->finish(kLastAnswersMs);
  accepted_ = server_->accepted();
  late_ = server_->late();
  server_.reset();
  if (unanswered > 0) {
    log(LogLevel::info, count_of(unanswered, "request") +
                            " answered 503 before their events were acknowledged: the clients "
                            "have to send them again");
  }
  return {};
}

std::string HttpSource::summary() const {
  std::string text = count_of(server_ ? server_->accepted() : accepted_, "connection") + ", " +
                     count_of(taken_, "request") + ", " + count_of(produced_, "event");
  if (refused_ > 0) {
    text += ", " + count_of(refused_, "request") + " refused";
  }
  return text;
}

void HttpSource::figures(FigureList& out) const {
  out.gauge("connections", "Clients that are connected.", server_ ? server_->size() : 0)
      .said("connected");
  out.counter("connections_total", "Clients that have connected.",
              server_ ? server_->accepted() : accepted_);
  out.counter("requests_total", "Requests of which the body was read.", taken_);
  out.counter("replies_total", "Requests that were answered 200.", replied_);
  out.counter("refused_total", "Requests that were answered with an error.", refused_)
      .said_if_any("refused");
  out.counter("late_total", "Connections that were closed because they were too slow.",
              server_ ? server_->late() : late_)
      .said_if_any("late");
  out.gauge("held_bytes", "Bytes of requests that wait.", held_);
}

}  // namespace fl
