#include "tools/fl-sink/http/sink.h"

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/poll_set.h"
#include "common/stream/json_line.h"
#include "tools/fl-sink/basic_auth.h"

namespace fl {
namespace {

/// After an answer with a rule that asks for a pause.
constexpr std::int64_t kBackoffMs = 1000;

bool is_header_value(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < ' '; });
}

}  // namespace

// ---------------------------------------------------------------- start

Result<std::vector<std::string>> HttpSink::headers() const {
  const std::string& given = options_.content_type;
  const std::string type = !given.empty()                ? given
                           : options_.format == "json"   ? "application/json; charset=utf-8"
                           : options_.format == "ndjson" ? "application/x-ndjson"
                                                         : "text/plain";
  std::vector<std::string> headers = {"Content-Type: " + type, "Accept: " + options_.accept};
  if (!options_.user.empty() && options_.token.is_set()) {
    return Error{ErrorClass::usage, "give --user or a token, not both", {}};
  }
  const Result<std::string> basic = basic_authorization(options_.user, options_.password);
  if (!basic) {
    return basic.error();
  }
  if (!basic->empty()) {
    headers.push_back("Authorization: " + *basic);
  }
  if (options_.token.is_set()) {
    const Result<std::string> token = options_.token.reveal();
    if (!token) {
      return token.error();
    }
    headers.push_back("Authorization: Bearer " + *token);
  }
  if (!std::all_of(headers.begin(), headers.end(), is_header_value)) {
    return Error{ErrorClass::usage, "a header or secret contains a control character", {}};
  }
  return headers;
}

Status HttpSink::open(const StageContext& context) {
  if (Status status = HttpPosts::check_url(options_.endpoint, "for example http://collector:5140/");
      !status) {
    return status;
  }
  shown_ = HttpPosts::shown(options_.endpoint);
  if (options_.batch_size == 0) {
    return Error{ErrorClass::usage, "--batch-size 0 would send nothing", {}};
  }
  if (options_.connect_timeout.ms <= 0 || options_.request_timeout.ms <= 0) {
    return Error{ErrorClass::usage, "--connect-timeout and --request-timeout must be above 0", {}};
  }
  if (Status status = rules_.open({options_.rollback, options_.backoff, options_.increment,
                                   options_.default_rollback, options_.default_backoff,
                                   options_.default_increment});
      !status) {
    return status;
  }
  Result<std::vector<std::string>> lines = headers();
  if (!lines) {
    return lines.error();
  }
  rule_ = "accepted by " + shown_;
  event_limits_ = context.limits;
  limits_.grace_ms = context.grace_ms;
  limits_.give_up_ms = context.give_up_ms;
  input_over_ = context.input_over;
  rejects_ = context.rejects;
  if (Status status = https_.open(options_.tls, Https::is_url(options_.endpoint)); !status) {
    return status;
  }
  if (!context.dry_run) {
    posts_ = std::make_unique<HttpPosts>(
        HttpPosts::Settings{options_.endpoint, std::move(*lines), options_.connect_timeout.ms,
                            options_.request_timeout.ms, https_.security()});
  }
  return {};
}

void HttpSink::reopen() { https_.reopen(); }

std::optional<Guarantee> HttpSink::guarantee() const { return Guarantee{Level::durable, rule_}; }

// ---------------------------------------------------------------- events

// Why the format cannot carry the event.
std::optional<Error> HttpSink::unsendable(const Event& event) const {
  if (options_.format == "lines" && event.body().find('\n') != std::string_view::npos) {
    return Error{ErrorClass::input, "its body contains a newline",
                 "--format ndjson takes any body"};
  }
  if (options_.format != "json") {
    return std::nullopt;
  }
  bool is_good = is_valid_utf8(event.body());
  HeaderCursor cursor(event);
  for (std::string_view key, value; is_good && cursor.next(key, value);) {
    is_good = is_valid_utf8(key) && is_valid_utf8(value);
  }
  if (!is_good) {
    return Error{ErrorClass::input, "it is not UTF-8, which JSON needs",
                 "--format ndjson takes any body"};
  }
  return std::nullopt;
}

Status HttpSink::deliver(const Batch& batch) {
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Event& event = batch[i];
    Request& request = open_request(event.size);
    if (std::optional<Error> why = unsendable(event)) {
      if (Status status = rejects_->reject(event, *why); !status) {
        return status;
      }
      ++rejected_;
      ++request.rejected;
      continue;
    }
    request.events += event.bytes();
    request.sizes.push_back(event.size);
    held_ += event.size + sizeof event.size;
  }
  return {};
}

HttpSink::Request& HttpSink::open_request(std::size_t bytes) {
  const std::size_t most = options_.format == "body" ? 1 : options_.batch_size;
  const bool is_open = requests_.size() > (posts_->is_busy() ? 1u : 0u);
  if (!is_open || requests_.back().count() >= most ||
      requests_.back().events.size() + bytes > kMaxRequest) {
    requests_.emplace_back();
  }
  return requests_.back();
}

std::string HttpSink::body_of(const Request& request) const {
  std::string body;
  const bool is_array = options_.format == "json";
  const auto* p = reinterpret_cast<const std::uint8_t*>(request.events.data());
  for (std::size_t i = 0; i < request.sizes.size(); ++i) {
    Event event;
    const char* why = "";
    (void)scan_event(p, p + request.sizes[i], event_limits_, event, why);
    p += request.sizes[i];
    if (options_.format == "body" || options_.format == "lines") {
      body += event.body();
    } else {
      body += !is_array ? "" : i == 0 ? "[" : ",\n";
      append_json_line(body, event);
    }
    if (options_.format == "lines" || options_.format == "ndjson") {
      body += '\n';
    }
  }
  if (is_array) {
    body += ']';
  }
  return body;
}

// ---------------------------------------------------------------- waiting

void HttpSink::watch(PollSet& set, bool) {
  if (posts_) {
    posts_->watch(set);
  }
}

std::int64_t HttpSink::deadline_ms() const {
  if (!posts_) {
    return -1;
  }
  if (posts_->is_busy()) {
    return posts_->deadline_ms();
  }
  if (retry_.is_failing()) {
    if (limits_.ended_ms < 0 && is_ended()) {
      return 0;  // just now: handle() bounds what waits
    }
    return retry_.due_at(limits_);
  }
  return wants_to_send() ? not_before_ms_ : -1;
}

Status HttpSink::handle(const PollSet& set) {
  if (!posts_) {
    return {};
  }
  if (limits_.ended_ms < 0 && is_ended()) {
    limits_.ended_ms = monotonic_ms();
  }
  if (std::optional<PostOutcome> outcome = posts_->handle(set)) {
    if (Status status = take_outcome(*outcome); !status) {
      return status;
    }
  }
  return go_on();
}

// Sends the next request if it is time.
Status HttpSink::go_on() {
  while (wants_to_send() && requests_.front().sizes.empty()) {
    finish_request();  // all of its events were rejected
  }
  const std::int64_t now = monotonic_ms();
  if (!wants_to_send() || now < not_before_ms_ ||
      (retry_.is_failing() && now < retry_.due_at(limits_))) {
    return {};
  }
  body_ = body_of(requests_.front());
  posts_->send(body_);
  ++sent_requests_;
  return {};
}

Status HttpSink::take_outcome(const PostOutcome& outcome) {
  const std::int64_t now = monotonic_ms();
  if (outcome.status == 0) {
    Error why{ErrorClass::unavailable, shown_ + ": " + outcome.text, {}};
    return trouble(std::move(why), outcome.needs_person, outcome);
  }
  const AnswerMeaning meaning = rules_.meaning(outcome.status);
  const std::uint64_t count = requests_.front().sizes.size();
  switch (meaning.events) {
    case AnswerMeaning::Events::again: {
      Status status =
          trouble(answered(outcome), meaning.needs_person && meaning.backs_off, outcome);
      if (!meaning.backs_off) {
        retry_.hurry(now);  // its pauses do not grow
      }
      return status;
    }
    case AnswerMeaning::Events::refused:
      return refuse(outcome);
    case AnswerMeaning::Events::dropped:
      dropped_ += count;
      if (dropping_.happened(now)) {
        log(LogLevel::warning, answered(outcome).message + "; " + count_of(dropped_, "event") +
                                   " dropped so far, as --rollback or --default-rollback says");
        dropping_.reported(now);
      }
      break;
    case AnswerMeaning::Events::delivered:
      break;
  }
  if (meaning.backs_off) {
    not_before_ms_ = now + std::max(kBackoffMs, outcome.retry_after_ms);
  }
  counted_ += meaning.counts ? count : 0;
  finish_request();
  end_trouble();
  return {};
}

void HttpSink::finish_request() {
  const Request& request = requests_.front();
  safe_ += request.count();
  held_ -= request.events.size() + request.sizes.size() * sizeof request.sizes[0];
  requests_.pop_front();
}

void HttpSink::end_trouble() {
  if (retry_.is_failing()) {
    const std::int64_t now = monotonic_ms();
    retry_.succeeded();
    alarm_.clear(now);
    why_.reset();
  }
}

Error HttpSink::answered(const PostOutcome& outcome) const {
  std::string text = shown_ + " answers " + std::to_string(outcome.status);
  if (!outcome.text.empty()) {
    text += ": " + outcome.text;
  }
  return {outcome.status == 401 || outcome.status == 403 ? ErrorClass::permission
                                                         : ErrorClass::unavailable,
          std::move(text),
          {}};
}

// ---------------------------------------------------------------- failures

// The server will not take the request as it is: the events are tried in smaller ones, and the one
// that is refused alone is rejected.
Status HttpSink::refuse(const PostOutcome& outcome) {
  end_trouble();
  Request& request = requests_.front();
  if (request.sizes.size() > 1) {
    Request first;
    const std::size_t half = request.sizes.size() / 2;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < half; ++i) {
      bytes += request.sizes[i];
    }
    const auto middle = request.sizes.begin() + static_cast<std::ptrdiff_t>(half);
    first.events = request.events.substr(0, bytes);
    first.sizes.assign(request.sizes.begin(), middle);
    request.events.erase(0, bytes);
    request.sizes.erase(request.sizes.begin(), middle);
    requests_.push_front(std::move(first));
    return {};
  }
  Event event;
  const char* why = "";
  const auto* const p = reinterpret_cast<const std::uint8_t*>(request.events.data());
  (void)scan_event(p, p + request.events.size(), event_limits_, event, why);
  Error error = answered(outcome);
  error.kind = ErrorClass::input;
  if (Status status = rejects_->reject(event, error); !status) {
    return status;
  }
  ++rejected_;
  finish_request();
  return {};
}

// The request stays, and is sent again after a pause.
Status HttpSink::trouble(Error why, bool needs_person, const PostOutcome& outcome) {
  const std::int64_t now = monotonic_ms();
  ++failures_;
  retry_.failed(now, needs_person, limits_);
  retry_.not_before(now + outcome.retry_after_ms);
  if (retry_.is_over(now, limits_)) {
    why.message += retry_.tried_for(now);
    return why;
  }
  why_ = why;
  std::uint64_t events = 0;
  for (const Request& request : requests_) {
    events += request.sizes.size();
  }
  alarm_.raise(now, {why, needs_person, {}}, count_of(events, "event"), limits_.until_text());
  return {};
}

Status HttpSink::close() {
  posts_.reset();
  return {};
}

std::string HttpSink::status() const { return alarm_.status(monotonic_ms()); }

void HttpSink::figures(FigureList& out) const {
  out.counter("requests_total", "Requests that were sent.", sent_requests_).said("requests");
  out.counter("counted_total", "Events of requests whose answer counts as delivered.", counted_);
  out.counter("failures_total", "Requests that failed and are tried again.", failures_)
      .said_if_any("failures");
  out.counter("refused_total", "Events that the server refused, or that the format cannot carry.",
              rejected_)
      .said_if_any("refused");
  out.counter("dropped_total", "Events that were dropped since a rule says so.", dropped_)
      .said_if_any("dropped");
  out.gauge("held_bytes", "Bytes of events that are not acknowledged.", held_);
  if (!alarm_.name().empty()) {
    out.alarm(alarm_.name());
  }
}

}  // namespace fl
