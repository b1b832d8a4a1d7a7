#include "tools/fl-sink/hbase/sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/component/stage_options.h"
#include "common/http/client.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "tools/fl-sink/hbase/answers.h"

namespace fl {
namespace {

constexpr std::size_t kMaxSchema = 1 << 20;
constexpr std::size_t kMaxAnswerText = 8 << 10;
constexpr int kUnreadTries = 3;
// A gateway that knows it answers within a second.
constexpr std::int64_t kStateTimeoutMs = 5'000;
// How soon --dry-run ends after a signal.
constexpr std::int64_t kStopLookMs = 200;

// [NAMESPACE:]NAME
bool is_table_name(const std::string& name) {
  const std::size_t colon = name.find(':');
  const std::string table = colon == std::string::npos ? name : name.substr(colon + 1);
  const auto is_good = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  };
  return colon != 0 && !table.empty() && table.front() != '-' && table.front() != '.' &&
         std::all_of(table.begin(), table.end(), is_good) &&
         (colon == std::string::npos ||
          std::all_of(name.begin(), name.begin() + static_cast<std::ptrdiff_t>(colon), is_good));
}

}  // namespace

// ---------------------------------------------------------------- start

Status HBaseSink::check_options() {
  if (!is_table_name(options_.table)) {
    return Error{ErrorClass::usage, "'" + options_.table + "' is not the name of a table",
                 "NAME or NAMESPACE:NAME, of letters, digits, _ - and ."};
  }
  for (const std::string& gateway : options_.gateways) {
    if (Status status = HttpPosts::check_url(
            gateway,
            "HBase's REST gateway is expected, for example http://gateway:8080, not ZooKeeper");
        !status) {
      return status;
    }
    shown_.push_back(HttpPosts::shown(gateway));
  }
  if (shown_.empty()) {
    return Error{ErrorClass::usage, "--rest is missing", "for example --rest http://gateway:8080"};
  }
  if (options_.batch_size == 0) {
    return Error{ErrorClass::usage, "--batch-size 0 would send nothing", {}};
  }
  if (options_.connect_timeout.ms <= 0 || options_.request_timeout.ms <= 0) {
    return Error{ErrorClass::usage, "--connect-timeout and --request-timeout must be above 0", {}};
  }
  return maker_.open();
}

// Options of the command line that would have no effect.
Status HBaseSink::check_effects() const {
  const GivenOptions& given = options_.given;
  const bool is_regex = options_.rows.serializer == "regex";
  const std::string_view of_other = is_regex
                                        ? given.first_of({"row-prefix", "suffix", "payload-column",
                                                          "increment-column", "increment-row"})
                                        : given.first_of({"regex", "regex-ignore-case", "col-names",
                                                          "row-key-index", "deposit-headers"});
  if (!of_other.empty()) {
    return Error{
        ErrorClass::usage,
        fmt::format("--{} has no effect with --serializer {}", of_other, options_.rows.serializer),
        is_regex ? "leave it out" : "add --serializer regex"};
  }
  if (given.has("increment-row") && options_.increment_column.empty()) {
    return Error{ErrorClass::usage, "--increment-row has no effect without --increment-column",
                 "add the column, or leave it out"};
  }
  if (options_.put_if_absent && !options_.increment_column.empty()) {
    return Error{ErrorClass::usage,
                 "--increment-column has no effect with --put-if-absent: what is sent again would "
                 "be counted again",
                 "leave one of them out"};
  }
  return {};
}

Status HBaseSink::open(const StageContext& context) {
  if (Status status = runs_by_properties(context) ? Status() : check_effects(); !status) {
    return status;
  }
  if (Status status = check_options(); !status) {
    return status;
  }
  rule_ = "stored in HBase table " + options_.table;
  event_limits_ = context.limits;
  limits_.grace_ms = context.grace_ms;
  limits_.give_up_ms = context.give_up_ms;
  input_over_ = context.input_over;
  rejects_ = context.rejects;
  if (options_.gzip) {
    gzip_ =
        make_stream_compressor(StreamFormat::gzip, compression_levels(StreamFormat::gzip).standard);
  }
  const bool is_https =
      std::any_of(options_.gateways.begin(), options_.gateways.end(), Https::is_url);
  if (Status status = https_.open(options_.tls, is_https); !status) {
    return status;
  }
  if (Status status = login_.open({options_.auth, options_.kerberos_principal,
                                   options_.kerberos_keytab, options_.user, options_.password,
                                   options_.gateways, options_.request_timeout.ms});
      !status) {
    return status;
  }
  is_open_ = true;
  is_dry_run_ = context.dry_run;
  return is_dry_run_ ? look() : Status();
}

// --dry-run: gateway, login, table and column family, as a run checks them; and, by a put that
// stores nothing, whether the table is enabled and may be written.
Status HBaseSink::look() {
  limits_.ended_ms = monotonic_ms();
  asks_state_ = true;
  while (has_work()) {
    PollSet set;
    watch(set, true);
    set.wake_at(deadline_ms());
    set.wake_at(monotonic_ms() + kStopLookMs);
    set.wait();
    if (stop_requested()) {
      return Error{ErrorClass::again, "stopped while waiting for " + shown_[gateway_], {}};
    }
    if (Status status = handle(set); !status) {
      return status;
    }
  }
  return {};
}

void HBaseSink::reopen() { https_.reopen(); }

std::optional<Guarantee> HBaseSink::guarantee() const { return Guarantee{Level::durable, rule_}; }

// ---------------------------------------------------------------- events

Status HBaseSink::deliver(const Batch& batch) {
  const std::int64_t now = wall_ms();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Event& event = batch[i];
    Request& request = open_request(event.size);
    Status status = maker_.make(event, now, row_);
    if (status) {
      if (const auto why = hbase_complaint(row_, options_.max_cell.value)) {
        status = Error{ErrorClass::input, *why, {}};
      }
    }
    if (!status) {
      if (Status kept = rejects_->reject(event, status.error()); !kept) {
        return kept;
      }
      ++rejected_;
      ++request.rejected;
      continue;
    }
    const std::size_t before = request.rows.size();
    if (options_.put_if_absent) {
      append_hbase_absent_check(request.rows, row_);
    } else {
      append_hbase_row(request.rows, row_);
    }
    const std::size_t row = request.rows.size() - before;
    request.events += event.bytes();
    request.sizes.push_back({event.size, static_cast<std::uint32_t>(row)});
    held_ += event.size + row + sizeof(Sizes);
  }
  return {};
}

HBaseSink::Request& HBaseSink::open_request(std::size_t bytes) {
  const std::size_t most = options_.put_if_absent ? 1 : options_.batch_size;
  const bool is_busy = posts_ && posts_->is_busy() && asking_ != Asking::schema;
  const bool is_open =
      requests_.size() >
      (is_busy || (!requests_.empty() && requests_.front().to_count > 0) ? 1u : 0u);
  if (!is_open || requests_.back().count() >= most ||
      requests_.back().rows.size() + bytes > kMaxRequest) {
    requests_.emplace_back();
  }
  return requests_.back();
}

// ---------------------------------------------------------------- waiting

void HBaseSink::watch(PollSet& set, bool) {
  if (posts_) {
    posts_->watch(set);
  }
  login_.watch(set);
}

std::int64_t HBaseSink::deadline_ms() const {
  if (!is_open_) {
    return -1;
  }
  if (posts_ && posts_->is_busy()) {
    return posts_->deadline_ms();
  }
  if (limits_.ended_ms < 0 && is_ended() && (retry_.is_failing() || login_.is_busy())) {
    return 0;  // just now: handle() bounds what waits
  }
  if (login_.is_busy()) {
    return std::min(login_.deadline_ms(), login_give_up_at());
  }
  if (retry_.is_failing()) {
    return retry_.due_at(limits_);
  }
  return has_work() ? 0 : -1;
}

Status HBaseSink::handle(const PollSet& set) {
  if (!is_open_) {
    return {};
  }
  if (limits_.ended_ms < 0 && is_ended()) {
    limits_.ended_ms = monotonic_ms();
  }
  if (posts_) {
    if (const std::optional<PostOutcome> outcome = posts_->handle(set)) {
      if (Status status = take_outcome(*outcome); !status) {
        return status;
      }
    }
  }
  if (Status status = take_login(); !status) {
    return status;
  }
  return go_on();
}

// Sends the next request if it is time.
Status HBaseSink::go_on() {
  if (is_busy()) {
    return {};
  }
  while (!requests_.empty() && requests_.front().sizes.empty() && requests_.front().to_count == 0) {
    finish_request();  // all of its events were rejected
  }
  const std::int64_t now = monotonic_ms();
  if (!has_work() || (retry_.is_failing() && failed_ == 0 && now < retry_.due_at(limits_))) {
    return {};
  }
  send();
  return {};
}

void HBaseSink::send() {
  const Asking what = !schema_seen_                    ? Asking::schema
                      : asks_state_                    ? Asking::state
                      : requests_.front().to_count > 0 ? Asking::increment
                                                       : Asking::put;
  connect(what);
  if (!login_.prepare(options_.gateways[gateway_], posts_->has_cookie(HBaseLogin::kSession))) {
    return;  // once there is a token
  }
  posts_->authorize(login_.take_authorization());
  body_.clear();
  if (what == Asking::state) {
    append_hbase_idle_check(body_, options_.rows.column_family);
  } else if (what == Asking::increment) {
    append_hbase_increment(body_, options_.increment_row,
                           options_.rows.column_family + ':' + options_.increment_column,
                           requests_.front().to_count);
  } else if (what == Asking::put && !gzip_) {
    body_ = requests_.front().rows;
  } else if (what == Asking::put) {
    gzip_->write(requests_.front().rows, body_);
    gzip_->finish(body_);
  }
  posts_->send_to(url(), body_);
  ++sent_requests_;
}

// A schema is asked for by GET, and only puts of rows are compressed, so each has a client of its
// own.
void HBaseSink::connect(Asking what) {
  if (posts_ && asking_ == what) {
    return;
  }
  asking_ = what;
  HttpPosts::Settings settings;
  settings.url = url();
  settings.headers = {"Accept: application/json"};
  if (what != Asking::schema) {
    settings.headers = {"Content-Type: application/x-protobuf", "Accept: */*"};
  }
  if (what == Asking::put && gzip_) {
    settings.headers.emplace_back("Content-Encoding: gzip");
  }
  settings.connect_timeout_ms = options_.connect_timeout.ms;
  settings.request_timeout_ms = what == Asking::state
                                    ? std::min(kStateTimeoutMs, options_.request_timeout.ms)
                                    : options_.request_timeout.ms;
  settings.security = https_.security();
  settings.is_get = what == Asking::schema;
  settings.cookies = true;  // one of hadoop.auth stands for a login
  settings.max_text = what == Asking::schema ? kMaxSchema : kMaxAnswerText;
  posts_ = std::make_unique<HttpPosts>(std::move(settings));
}

std::string HBaseSink::url() const {
  std::string out = options_.gateways[gateway_];
  while (!out.empty() && out.back() == '/') {
    out.pop_back();
  }
  out += '/' + url_encode(options_.table);
  switch (asking_) {
    case Asking::schema:
      return out + "/schema";
    case Asking::state:
      return out + "/row?check=put";
    case Asking::put:  // the rows of the body count, but there has to be one here
      return out + (options_.put_if_absent ? "/row?check=put" : "/row");
    case Asking::increment:
      break;
  }
  return out + "/row?check=increment";
}

// ---------------------------------------------------------------- answers

Error HBaseSink::error_of(const PostOutcome& outcome) const {
  return hbase_error(outcome, shown_[gateway_], options_.table, options_.rows.column_family);
}

Status HBaseSink::take_schema(const PostOutcome& outcome) {
  if (Status status = check_hbase_schema(outcome.text, shown_[gateway_], options_.table,
                                         options_.rows.column_family);
      !status) {
    return status;
  }
  schema_seen_ = true;
  end_trouble();
  return {};
}

// When nothing more comes in, a KDC that does not answer keeps us for --grace, which may be too
// short for any login.
std::int64_t HBaseSink::login_give_up_at() const {
  std::int64_t at = retry_.give_up_at(limits_);
  if (limits_.ended_ms >= 0) {
    at = std::min(at, std::max(login_.since_ms(), limits_.ended_ms) +
                          std::max(limits_.grace_ms, options_.connect_timeout.ms));
  }
  return at;
}

Status HBaseSink::take_login() {
  std::optional<Error> why = login_.handle();
  if (login_.is_busy() && monotonic_ms() >= login_give_up_at()) {
    why = login_.give_up();
  }
  if (!why) {
    return {};
  }
  if (why->kind == ErrorClass::permission && !login_.waits_for_kinit(*why)) {
    return *why;
  }
  const bool needs_person = why->kind != ErrorClass::unavailable;
  return trouble(std::move(*why), needs_person, {});
}

// A put into a table that is disabled fails as if a region were moving, or hangs. So after a
// failure we ask, by a put whose condition never holds. Where that fails, too, our request is not
// to blame.
Status HBaseSink::take_state(const PostOutcome& outcome) {
  if (is_dry_run_) {
    return take_state_of_dry_run(outcome);
  }
  asks_state_ = false;
  if (outcome.status == 0 || outcome.status >= 500) {
    unread_ = 0;
    return trouble(error_of(outcome), outcome.needs_person, outcome);
  }
  return {};  // it is not disabled, or we may not know
}

// No put of rows follows that would be answered the same.
Status HBaseSink::take_state_of_dry_run(const PostOutcome& outcome) {
  const bool may_pass = outcome.status == 0 || outcome.status == 500;
  const HBaseAnswer answer = may_pass ? HBaseAnswer::again : hbase_answer(outcome.status);
  switch (answer) {
    case HBaseAnswer::stored:
    case HBaseAnswer::exists:
      asks_state_ = false;
      end_trouble();
      return {};
    case HBaseAnswer::again:
    case HBaseAnswer::blocked:
      return trouble(error_of(outcome), answer == HBaseAnswer::blocked || outcome.needs_person,
                     outcome);
    case HBaseAnswer::refused:
    case HBaseAnswer::ends:
      break;
  }
  return final_error_of(outcome);
}

Status HBaseSink::take_outcome(const PostOutcome& outcome) {
  if (HBaseLogin::is_refusal(outcome)) {
    std::optional<Error> why = login_.refused(outcome, shown_[gateway_]);
    return why ? Status(std::move(*why)) : Status();
  }
  if (outcome.status != 0 && outcome.status < 500) {
    unread_ = asking_ == Asking::state ? unread_ : 0;
    login_.accepted();
  }
  if (hbase_is_disabled(outcome)) {
    return error_of(outcome);
  }
  if (asking_ == Asking::state) {
    return take_state(outcome);
  }
  const HBaseAnswer answer =
      outcome.status == 0 ? HBaseAnswer::again : hbase_answer(outcome.status);
  if (asking_ == Asking::schema && answer == HBaseAnswer::stored) {
    return take_schema(outcome);
  }
  switch (answer) {
    case HBaseAnswer::stored:
      if (asking_ == Asking::put && !outcome.text.empty()) {
        // A gateway says nothing about rows that it has stored; a proxy answers so with its page.
        Error why{ErrorClass::unavailable,
                  shown_[gateway_] + " answers rows with 200 and a text, which HBase never does",
                  "is there a proxy that wants a login?"};
        return trouble(std::move(why), true, outcome);
      }
      stored();
      end_trouble();
      return {};
    case HBaseAnswer::exists:
      if (!options_.put_if_absent) {
        return trouble(error_of(outcome), true, outcome);
      }
      ++existed_;
      finish_request();
      end_trouble();
      return {};
    case HBaseAnswer::refused:
      if (asking_ == Asking::put) {
        return refuse(outcome);
      }
      break;
    case HBaseAnswer::again:
      if (asking_ == Asking::increment && hbase_is_no_counter(outcome)) {
        break;
      }
      asks_state_ = asking_ != Asking::schema;
      return trouble(error_of(outcome), outcome.needs_person, outcome);
    case HBaseAnswer::blocked:
      return trouble(error_of(outcome), true, outcome);
    case HBaseAnswer::ends:
      break;
  }
  // A request that was cut off in transit is answered so, too, and so is any while HBase starts.
  if (outcome.status == 500 && ++unread_ < kUnreadTries) {
    asks_state_ = asking_ != Asking::schema;
    return trouble(error_of(outcome), false, outcome);
  }
  return final_error_of(outcome);
}

// Of an answer after which no row is sent any more.
Error HBaseSink::final_error_of(const PostOutcome& outcome) const {
  Error error = error_of(outcome);
  if (error.kind == ErrorClass::input || hbase_is_no_counter(outcome)) {
    error.kind = ErrorClass::config;  // of a schema or counter, so no event is at fault
    if (asking_ == Asking::increment) {
      error.hint = "does --increment-column hold 8 bytes?";
    }
  }
  if (error.kind == ErrorClass::config && asking_ == Asking::schema && outcome.status == 404) {
    error = Error{ErrorClass::config, shown_[gateway_] + " has no table '" + options_.table + "'",
                  "create it in hbase shell: create '" + options_.table + "', '" +
                      options_.rows.column_family + "'"};
  }
  return error;
}

// The rows of the first request are stored, or its counter.
void HBaseSink::stored() {
  Request& request = requests_.front();
  if (request.to_count == 0 && counts()) {
    held_ -= request.held();
    request.to_count = request.sizes.size();
    stored_ += request.sizes.size();
    request.events.clear();
    request.rows.clear();
    request.sizes.clear();
    return;
  }
  stored_ += request.sizes.size();
  finish_request();
}

void HBaseSink::finish_request() {
  const Request& request = requests_.front();
  safe_ += request.count();
  held_ -= request.held();
  requests_.pop_front();
}

void HBaseSink::end_trouble() {
  failed_ = 0;
  if (retry_.is_failing()) {
    retry_.succeeded();
    alarm_.clear(monotonic_ms());
    why_.reset();
  }
}

// ---------------------------------------------------------------- failures

// One of the rows is bad: they are tried in smaller requests, and the one that is refused alone is
// rejected.
Status HBaseSink::refuse(const PostOutcome& outcome) {
  end_trouble();
  Request& request = requests_.front();
  if (request.sizes.size() > 1) {
    Request first;
    const std::size_t half = request.sizes.size() / 2;
    std::size_t events = 0;
    std::size_t rows = 0;
    for (std::size_t i = 0; i < half; ++i) {
      events += request.sizes[i].event;
      rows += request.sizes[i].row;
    }
    const auto middle = request.sizes.begin() + static_cast<std::ptrdiff_t>(half);
    first.events = request.events.substr(0, events);
    first.rows = request.rows.substr(0, rows);
    first.sizes.assign(request.sizes.begin(), middle);
    request.events.erase(0, events);
    request.rows.erase(0, rows);
    request.sizes.erase(request.sizes.begin(), middle);
    requests_.push_front(std::move(first));
    return {};
  }
  Event event;
  const char* why = "";
  const auto* const p = reinterpret_cast<const std::uint8_t*>(request.events.data());
  (void)scan_event(p, p + request.events.size(), event_limits_, event, why);
  if (Status status = rejects_->reject(event, error_of(outcome)); !status) {
    return status;
  }
  ++rejected_;
  finish_request();
  return {};
}

// The request stays, and is sent again: by the next gateway at once, or after a pause when all have
// failed.
Status HBaseSink::trouble(Error why, bool needs_person, const PostOutcome& outcome) {
  const std::int64_t now = monotonic_ms();
  ++failures_;
  gateway_ = (gateway_ + 1) % shown_.size();
  posts_.reset();
  why_ = why;
  if (++failed_ < shown_.size()) {
    return {};
  }
  failed_ = 0;
  retry_.failed(now, needs_person, limits_);
  retry_.not_before(now + outcome.retry_after_ms);
  if (retry_.is_over(now, limits_)) {
    why.message += retry_.tried_for(now);
    return why;
  }
  std::uint64_t events = 0;
  for (const Request& request : requests_) {
    events += request.count();
  }
  alarm_.raise(now, {why, needs_person, {}},
               is_dry_run_ ? "this dry run" : count_of(events, "event"), limits_.until_text());
  return {};
}

Status HBaseSink::close() {
  posts_.reset();
  return {};
}

std::string HBaseSink::status() const { return alarm_.status(monotonic_ms()); }

void HBaseSink::figures(FigureList& out) const {
  out.counter("requests_total", "Requests that were sent.", sent_requests_).said("requests");
  out.counter("stored_total", "Rows that were stored.", stored_).said("stored");
  out.counter("existed_total", "Rows that were there before (--put-if-absent).", existed_)
      .said_if_any("existed");
  out.counter("failures_total", "Requests that failed and are tried again.", failures_)
      .said_if_any("failures");
  out.counter("refused_total", "Events that make no row, or one that HBase refuses.", rejected_)
      .said_if_any("refused");
  out.gauge("held_bytes", "Bytes of events and rows that are not acknowledged.", held_);
  if (!alarm_.name().empty()) {
    out.alarm(alarm_.name());
  }
}

}  // namespace fl
