#include "common/kafka/sink.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/poll_set.h"
#include "common/kafka/partitioner.h"
#include "common/kafka/queries.h"

namespace fl {
namespace {

constexpr std::int64_t kStallMs = 1'000;     // with an error: for so long it may pass by itself
constexpr std::int64_t kSilenceMs = 10'000;  // without one
constexpr std::int64_t kAlarmMs = 30'000;    // how often a lasting one is checked
constexpr std::size_t kFirstGroup = 1'000;   // after the library had no room
constexpr std::size_t kMaxTopics = 10'000;
constexpr std::size_t kSlack = 1024;   // more than a message costs on the wire besides its bytes
constexpr std::int64_t kLingerMs = 5;  // the library's
constexpr std::int64_t kMostLingerMs = 900'000;  // the library's limit
constexpr std::size_t kMaxNamedTopics = 100;     // in figures

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

std::string seconds(std::int64_t ms) { return to_string(Duration{ms / 1000 * 1000}); }

// What the library gives back with the report about a message.
void* tag_of(std::uint64_t number) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the library only keeps it
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(number));
}

std::uint64_t number_of(const rd_kafka_message_t& message) {
  return reinterpret_cast<std::uintptr_t>(message._private);
}

std::string shown(std::string_view text) { return printable(text.substr(0, 64)); }

}  // namespace

KafkaSink::~KafkaSink() { (void)close(); }

// ---------------------------------------------------------------- start

Status KafkaSink::open(const StageContext& context) {
  limits_.grace_ms = context.grace_ms;
  limits_.give_up_ms = context.give_up_ms;
  input_over_ = context.input_over;
  rejects_ = context.rejects;
  if (options_.topic.empty()) {
    return Error{ErrorClass::usage, "TOPIC is missing",
                 "for example: fl-sink kafka trades --bootstrap-server broker:9092"};
  }
  if (options_.default_partition_id < -1 || options_.default_partition_id > INT32_MAX) {
    return Error{ErrorClass::usage, "--default-partition-id is not a partition number", {}};
  }
  if (options_.allow_topic_override && options_.topic_header.empty()) {
    return Error{ErrorClass::usage, "--allow-topic-override needs --topic-header", {}};
  }
  Result<TopicNames> names =
      TopicNames::make(options_.topic, options_.allow_topic_override ? options_.topic_header : "");
  if (!names) {
    return names.error();
  }
  names_ = std::move(*names);
  for (const auto& [name, secret] : options_.header) {
    const Result<std::string> to = secret.reveal();
    if (!to) {
      return to.error();
    }
    mapped_.emplace_back(name, *to);
  }
  all_headers_ = options_.headers == "all";
  Result<KafkaSettings> settings = KafkaSettings::make(KafkaRole::producer, options_);
  if (!settings) {
    return settings.error();
  }
  constexpr std::string_view kNothingIsLost = "an event counts as delivered when it is safe";
  for (const auto& [name, value, why] :
       {std::tuple("enable.idempotence", "true", std::string_view("nothing may be stored twice")),
        std::tuple("request.required.acks", "-1", kNothingIsLost),
        std::tuple("message.timeout.ms", "0",
                   std::string_view("events wait without a limit; see --give-up-after"))}) {
    if (Status set = settings->require(name, value, why); !set) {
      return set;
    }
  }
  const std::string linger = "sticky.partitioning.linger.ms";
  chooses_partitions_ = !settings->find("partitioner") && !settings->find(linger);
  if (chooses_partitions_) {
    settings->prefer(linger, "0");
  }
  settings->prefer("partitioner", "murmur2_random");  // as Java does it
  if (const auto ms = settings->find("queue.buffering.max.ms")) {
    turn_ms_ = std::min(number_in(*ms).value_or(kLingerMs), kMostLingerMs) * 2;  // as the library
  }
  settings->prefer("message.max.bytes", "1048576");  // Java's
  max_message_ =
      static_cast<std::size_t>(number_in(*settings->find("message.max.bytes")).value_or(0));
  settings->prefer("reconnect.backoff.max.ms", "1000");
  settings->prefer("topic.metadata.propagation.max.ms", "5000");
  if (settings->buffer_bytes() != 0) {
    max_held_ = settings->buffer_bytes();
  }
  // What waits is bounded here, by its bytes.
  constexpr std::size_t kSurelyFits = 1 << 30;
  const std::string most_messages = "queue.buffering.max.messages";
  const std::string most_kib = "queue.buffering.max.kbytes";
  has_room_ =
      !settings->find(most_messages) && !settings->find(most_kib) && max_held_ <= kSurelyFits;
  settings->prefer(most_messages, "10000000");
  settings->prefer(most_kib, "2097151");
  if (context.dry_run) {
    return dry_run(*settings);
  }
  Result<std::unique_ptr<KafkaClient>> client = KafkaClient::make(*settings, RD_KAFKA_EVENT_DR);
  if (!client) {
    return client.error();
  }
  client_ = std::move(*client);
  return {};
}

// What a run would be refused for. Nothing is made or written.
Status KafkaSink::dry_run(const KafkaSettings& settings) const {
  // A producer checks its own properties, and asks nobody.
  if (const auto producer = KafkaClient::make(settings, 0); !producer) {
    return producer.error();
  }
  const auto client = KafkaClient::make(settings.to_ask(), 0);
  if (!client) {
    return client.error();
  }
  KafkaQuestion question;
  if (names_->is_constant()) {
    question.topics = {options_.topic};
  }
  const Result<KafkaAnswer> answer = KafkaQueries::ask_dry(**client, question);
  if (answer) {
    const std::int64_t partition = options_.default_partition_id;
    const auto count = static_cast<std::int64_t>(answer->places.size());
    if (names_->is_constant() && partition >= count) {
      return Error{ErrorClass::config,
                   fmt::format("topic '{}' has no partition {}", options_.topic, partition),
                   "partitions are numbered from 0"};
    }
    if (names_->is_constant()) {
      log(LogLevel::info, fmt::format("topic '{}': {}", options_.topic,
                                      count_of(answer->places.size(), "partition")));
    }
    return {};
  }
  // A topic that is missing.
  if (answer.error().kind == ErrorClass::config) {
    const std::optional<bool> makes = KafkaQueries::makes_topics((*client)->handle());
    if (makes != false) {
      log(makes ? LogLevel::info : LogLevel::warning,
          fmt::format("topic '{}' does not exist: {}", options_.topic,
                      makes ? "the brokers will create it"
                            : "the run ends with 78 unless the brokers create topics by "
                              "themselves (auto.create.topics.enable)"));
      return {};
    }
  }
  return answer.error();
}

std::optional<Guarantee> KafkaSink::guarantee() const { return Guarantee{Level::durable, rule_}; }

// ---------------------------------------------------------------- events

Status KafkaSink::deliver(const Batch& batch) {
  const std::int64_t now = monotonic_ms();
  if (held_.open() == 0) {
    since_ms_ = now;
  }
  next_partition_turn(now, turn_ms_);
  const std::uint64_t first = held_.add(batch);
  Status status;
  for (std::size_t i = 0; i < batch.size() && status; ++i) {
    if (!batch.kept(i)) {
      held_.complete(first + i);
    } else if (!unsent_.empty()) {
      unsent_.push_back(first + i);
    } else {
      status = send(first + i);
    }
  }
  const Status handed_over = hand_over();  // also those before an event that cannot be sent
  return status ? handed_over : status;
}

// To the library, which may have no room for it; or to the outbox, until hand_over().
Status KafkaSink::send(std::uint64_t number) {
  const Event& event = held_[number];
  Address address;
  if (const Status found = find_address(event, address); !found) {
    return found.error().kind == ErrorClass::input ? reject(number, found.error()) : found;
  }
  KafkaHeaders headers;
  if (all_headers_ || !mapped_.empty()) {
    headers = headers_of(event);
  }
  const std::string_view value = value_of(event);
  const std::size_t size = value.size() + address.key.value_or(std::string_view()).size();
  // One that is too large must not be refused after later ones were taken.
  const bool is_plain = !headers && address.timestamp == 0 && size + kSlack <= max_message_;
  if (!is_plain || !has_room_ || !outbox_.fits(address.topic, address.partition)) {
    if (Status handed_over = hand_over(); !handed_over) {
      return handed_over;
    }
  }
  if (!is_plain) {
    const rd_kafka_resp_err_t code = produce(value, address, std::move(headers), tag_of(number));
    return taken(number, code, address);
  }
  outbox_.add(address.topic, address.partition, value, address.key, tag_of(number));
  return has_room_ ? Status() : hand_over();
}

// The messages of the outbox.
Status KafkaSink::hand_over() {
  Address address;
  address.topic = outbox_.topic();
  address.partition = outbox_.partition();
  Status status;
  for (const rd_kafka_message_t& message : outbox_.hand_over()) {
    // After an error the others are not looked at: the stage ends.
    if (status || message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (Status one = taken(number_of(message), message.err, address); !one) {
        status = one;
      }
    }
  }
  outbox_.clear();
  return status;
}

// Whether the library has taken the message.
Status KafkaSink::taken(std::uint64_t number, rd_kafka_resp_err_t code, const Address& address) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++on_their_way_;
    return {};
  }
  if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
    unsent_.push_front(number);
    return {};
  }
  // The library has refused this message only.
  return failed(number, code, rd_kafka_topic_name(address.topic), address.partition, true);
}

// In groups, whose size halves when one is refused, and doubles when not: the way to the few events
// that no broker takes.
Status KafkaSink::send_unsent() {
  while (on_their_way_ == 0 && !(refused_events_.empty() && unsent_.empty())) {
    if (!refused_events_.empty()) {
      std::sort(refused_events_.begin(), refused_events_.end());
      group_ = std::max<std::size_t>((group_ == 0 ? refused_events_.size() : group_) / 2, 1);
      unsent_.insert(unsent_.begin(), refused_events_.begin(), refused_events_.end());
      refused_events_.clear();
    } else {
      group_ = group_ == 0 ? kFirstGroup : group_ * 2;
    }
    Status sent;
    for (std::size_t n = std::min(group_, unsent_.size()); n > 0 && sent; --n) {
      const std::uint64_t number = unsent_.front();
      unsent_.pop_front();
      sent = send(number);
      if (!unsent_.empty() && unsent_.front() == number) {
        break;  // no room
      }
    }
    const Status handed_over = hand_over();
    if (!sent || !handed_over) {
      return sent ? handed_over : sent;
    }
  }
  if (on_their_way_ == 0) {
    group_ = 0;
  }
  return {};
}

Status KafkaSink::find_address(const Event& event, Address& address) {
  if (last_topic_ == nullptr || !names_->is_constant()) {
    const Result<std::string_view> name = names_->of(event);
    if (!name) {
      return name.error();
    }
    if (Status found = find_topic(*name); !found) {
      return found;
    }
  }
  address.topic = last_topic_;
  if (options_.default_partition_id >= 0) {
    address.partition = static_cast<std::int32_t>(options_.default_partition_id);
  }
  return event.has_headers() ? look_at_headers(event, address) : Status();
}

Status KafkaSink::look_at_headers(const Event& event, Address& address) {
  if (!options_.partition_id_header.empty()) {
    if (const auto text = find_header(event, options_.partition_id_header)) {
      const auto number = number_in(*text);
      if (!number || *number < 0 || *number > INT32_MAX) {
        return Error{ErrorClass::input,
                     fmt::format("the header '{}' of an event is not a partition number: '{}'",
                                 options_.partition_id_header, shown(*text)),
                     {}};
      }
      address.partition = static_cast<std::int32_t>(*number);
    }
  }
  if (!options_.key_header.empty()) {
    address.key = find_header(event, options_.key_header);
  }
  if (!options_.timestamp_header.empty()) {
    if (const auto text = find_header(event, options_.timestamp_header)) {
      const auto number = number_in(*text);
      if (number && *number > 0) {
        address.timestamp = *number;
      } else if (const std::int64_t now = monotonic_ms(); bad_times_.happened(now)) {
        log(LogLevel::warning,
            fmt::format(
                "the header '{}' of {} is not a time in milliseconds ('{}'): the message gets "
                "the time of now",
                options_.timestamp_header, count_of(bad_times_.unreported(), "event"),
                shown(*text)));
        bad_times_.reported(now);
      }
    }
  }
  return {};
}

// It is last_topic_ then.
Status KafkaSink::find_topic(std::string_view name) {
  if (last_topic_ != nullptr && name == last_name_) {
    return {};
  }
  auto found = topics_.find(name);
  if (found == topics_.end()) {
    if (topics_.size() >= kMaxTopics) {
      if (Status handed_over = hand_over(); !handed_over) {
        return handed_over;
      }
      topics_.clear();  // the library keeps those that it needs
    }
    rd_kafka_topic_conf_t* conf = nullptr;
    if (chooses_partitions_) {
      conf = rd_kafka_default_topic_conf_dup(client_->handle());
      set_partitioner(conf);
    }
    Topic made(rd_kafka_topic_new(client_->handle(), std::string(name).c_str(), conf));
    if (!made) {
      const KafkaProblem problem = kafka_problem(rd_kafka_last_error(), "");
      return Error{
          ErrorClass::config, fmt::format("topic '{}': {}", name, problem.error.message), {}};
    }
    found = topics_.emplace(name, std::move(made)).first;
  }
  last_name_ = name;
  last_topic_ = found->second.get();
  return {};
}

// A view of bytes that are held.
std::string_view KafkaSink::value_of(const Event& event) {
  if (!options_.use_flume_event_format) {
    return event.body();
  }
  if (FlumeEventWriter::is_as_in_flume(event)) {
    return event.bytes();
  }
  encoded_.clear();
  writer_.append(encoded_, event);
  std::uint8_t* const bytes = held_.allocate(encoded_.size());
  std::copy(encoded_.begin(), encoded_.end(), bytes);
  return {reinterpret_cast<const char*>(bytes), encoded_.size()};
}

KafkaSink::KafkaHeaders KafkaSink::headers_of(const Event& event) const {
  KafkaHeaders headers;
  if (!event.has_headers()) {
    return headers;
  }
  const auto add = [&headers](std::string_view name, std::string_view value) {
    if (!headers) {
      headers.reset(rd_kafka_headers_new(8));
    }
    (void)rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()),
                              value.data(), static_cast<ssize_t>(value.size()));
  };
  if (all_headers_) {
    for (const auto& [name, value] : fl::headers_of(event)) {
      const auto mapped =
          std::find_if(mapped_.begin(), mapped_.end(),
                       [&name = name](const auto& pair) { return pair.first == name; });
      add(mapped == mapped_.end() ? name : mapped->second, value);
    }
    return headers;
  }
  for (const auto& [name, to] : mapped_) {
    if (const auto value = find_header(event, name)) {
      add(to, *value);
    }
  }
  return headers;
}

rd_kafka_resp_err_t KafkaSink::produce(std::string_view value, const Address& address,
                                       KafkaHeaders headers, void* tag) {
  std::array<rd_kafka_vu_t, 8> parts{};
  std::size_t n = 0;
  parts[n].vtype = RD_KAFKA_VTYPE_RKT;
  parts[n++].u.rkt = address.topic;
  parts[n].vtype = RD_KAFKA_VTYPE_PARTITION;
  parts[n++].u.i32 = address.partition;
  parts[n].vtype = RD_KAFKA_VTYPE_VALUE;
  // The library only reads it, though it takes a pointer to non-const.
  parts[n].u.mem.ptr = const_cast<char*>(value.data());
  parts[n++].u.mem.size = value.size();
  parts[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
  parts[n++].u.ptr = tag;
  if (address.key) {
    parts[n].vtype = RD_KAFKA_VTYPE_KEY;
    parts[n].u.mem.ptr = const_cast<char*>(address.key->empty() ? "" : address.key->data());
    parts[n++].u.mem.size = address.key->size();
  }
  if (address.timestamp != 0) {
    parts[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    parts[n++].u.i64 = address.timestamp;
  }
  if (headers) {
    parts[n].vtype = RD_KAFKA_VTYPE_HEADERS;
    parts[n++].u.headers = headers.get();
  }
  rd_kafka_error_t* const error = rd_kafka_produceva(client_->handle(), parts.data(), n);
  if (error == nullptr) {
    (void)headers.release();  // the library has them
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  return code;
}

// ---------------------------------------------------------------- reports

void KafkaSink::watch(PollSet& set, bool) {
  if (client_) {
    client_->watch(set);
  }
}

Status KafkaSink::handle(const PollSet&) {
  if (!client_) {
    return {};
  }
  client_->clear();
  const std::uint64_t before = held_.prefix();
  while (const KafkaEvent event = client_->next()) {
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_DR) {
      if (Status taken = take_reports(event.get()); !taken) {
        return taken;
      }
    }
  }
  if (Status sent = send_unsent(); !sent) {
    return sent;
  }
  const std::int64_t now = monotonic_ms();
  if (held_.prefix() != before) {
    since_ms_ = now;
    client_->works();
    alarm_.clear(now);
  }
  if (limits_.ended_ms < 0 && is_ended()) {
    limits_.ended_ms = now;
  }
  return look_at_problem(now);
}

Status KafkaSink::take_reports(rd_kafka_event_t* event) {
  while (const rd_kafka_message_t* const message = rd_kafka_event_message_next(event)) {
    const std::uint64_t number = number_of(*message);
    --on_their_way_;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++delivered_;
      held_.complete(number);
    } else if (Status status = failed(number, message->err, rd_kafka_topic_name(message->rkt),
                                      message->partition, group_ == 1);
               !status) {
      return status;
    }
  }
  return {};
}

Status KafkaSink::failed(std::uint64_t number, rd_kafka_resp_err_t code, const std::string& topic,
                         std::int32_t partition, bool is_alone) {
  if (failures_.contains(topic) || failures_.size() < kMaxNamedTopics) {
    ++failures_[topic];
  }
  KafkaProblem problem = kafka_problem(code, "");
  problem.error.message = fmt::format("topic '{}': {}", topic, problem.error.message);
  switch (problem.kind) {
    case KafkaProblem::Kind::message:
      if (!is_alone) {
        warn_of_batches();
        refused_events_.push_back(number);
        ++sent_again_;
        return {};
      }
      if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        problem.error.message += fmt::format(" ({} bytes)", held_[number].bytes().size());
      }
      return reject(number, problem.error);
    case KafkaProblem::Kind::topic: {
      if (code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
          (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && partition != RD_KAFKA_PARTITION_UA)) {
        problem.error.message += fmt::format(" (partition {})", partition);
      }
      const bool is_of_event =
          !names_->is_constant() || (!options_.partition_id_header.empty() &&
                                     find_header(held_[number], options_.partition_id_header));
      if (is_of_event) {
        problem.error.kind = ErrorClass::input;
        return reject(number, problem.error);
      }
      return problem.error;
    }
    case KafkaProblem::Kind::fatal:
      return {};  // look_at_problem() knows more
    case KafkaProblem::Kind::away:
    case KafkaProblem::Kind::refused:
      break;
  }
  return problem.error;
}

Status KafkaSink::reject(std::uint64_t number, const Error& why) {
  Status kept = rejects_ == nullptr ? Status(why) : rejects_->reject(held_[number], why);
  if (kept) {
    held_.complete(number);
  }
  return kept;
}

void KafkaSink::warn_of_batches() {
  const std::int64_t now = monotonic_ms();
  if (bad_batches_.happened(now)) {
    log(LogLevel::warning,
        "a broker refuses a batch, for its size or for an event in it: its events are sent again "
        "in smaller ones, after those in flight; if it happens often, set --producer batch.size "
        "below max.message.bytes of the topic");
    bad_batches_.reported(now);
  }
}

// ---------------------------------------------------------------- troubles

// Of the first event that is held.
bool KafkaSink::is_stalled(std::int64_t now) const {
  return held_.open() != 0 && now - since_ms_ >= (client_->problem() ? kStallMs : kSilenceMs);
}

Error KafkaSink::stall_error(std::int64_t now) const {
  Error error;
  if (client_->problem()) {
    error = client_->problem()->error;
    if (error.message.find(client_->servers()) == std::string::npos) {
      error.message = client_->servers() + ": " + error.message;
    }
  } else {
    error = {ErrorClass::unavailable,
             fmt::format("{}: nothing has been acknowledged for {}", client_->servers(),
                         seconds(now - since_ms_)),
             {}};
  }
  return error;
}

Status KafkaSink::look_at_problem(std::int64_t now) {
  const std::optional<KafkaProblem>& problem = client_->problem();
  const bool is_refused = problem && problem->kind == KafkaProblem::Kind::refused;
  if (problem &&
      (problem->kind == KafkaProblem::Kind::fatal || (is_refused && !client_->has_worked()))) {
    Error error = stall_error(now);
    if (problem->kind == KafkaProblem::Kind::fatal) {
      error.message = "the producer cannot continue: " + error.message;
      if (error.hint.empty()) {
        error.hint = "start the stage again: what was not acknowledged is sent again";
      }
    }
    return error;
  }
  next_look_ms_ = -1;
  if (held_.open() == 0) {
    return {};
  }
  if (!is_stalled(now)) {
    next_look_ms_ = since_ms_ + (problem ? kStallMs : kSilenceMs);
    return {};
  }
  Error error = stall_error(now);
  if (limits_.ended_ms >= 0) {
    const std::int64_t end = std::max(limits_.ended_ms, since_ms_) + limits_.grace_ms;
    if (now >= end) {
      error.message += fmt::format(" (tried for {})", seconds(now - since_ms_));
      return error;
    }
    next_look_ms_ = end;
  } else {
    next_look_ms_ = now + kAlarmMs;
  }
  if (!alarm_.is_raised(is_refused) || client_->errors() != seen_errors_ || limits_.ended_ms < 0) {
    seen_errors_ = client_->errors();
    alarm_.raise(now, {error, is_refused, {}}, count_of(held_.open(), "event"),
                 limits_.until_text());
  }
  return {};
}

std::int64_t KafkaSink::deadline_ms() const {
  if (!client_) {
    return -1;
  }
  if (held_.open() != 0 && limits_.ended_ms < 0 && is_ended()) {
    return 0;  // just now: handle() bounds what waits
  }
  if (on_their_way_ == 0 && !ready() && held_.open() != 0) {
    return 0;
  }
  if (held_.open() != 0 && next_look_ms_ < 0) {
    return since_ms_ + kStallMs;
  }
  return next_look_ms_;
}

std::optional<Error> KafkaSink::missing() const {
  const std::int64_t now = monotonic_ms();
  return client_ && is_stalled(now) ? std::optional(stall_error(now)) : std::nullopt;
}

Status KafkaSink::close() {
  last_topic_ = nullptr;
  topics_.clear();
  if (client_ && !client_->close()) {
    // Its threads may still read what they were to send.
    (void)std::make_unique<HeldEvents>(std::move(held_)).release();
    held_ = {};
  }
  client_.reset();
  held_.clear();
  return {};
}

// ---------------------------------------------------------------- figures

std::string KafkaSink::status() const { return alarm_.status(monotonic_ms()); }

void KafkaSink::figures(FigureList& out) const {
  out.counter("messages_total", "Messages that all in-sync replicas have.", delivered_)
      .said("messages");
  out.gauge("queued", "Events that wait to be sent or acknowledged.", held_.open())
      .said_if_any("queued");
  out.gauge("held_bytes", "Memory of events that are not acknowledged in their order.",
            held_.bytes());
  out.counter("sent_again_total", "Events whose batch a broker refused, and that were sent alone.",
              sent_again_)
      .said_if_any("sent again");
  out.counter("errors_total", "Errors of connections and brokers.",
              client_ ? client_->errors() : seen_errors_);
  for (const auto& [topic, n] : failures_) {
    out.counter("failures_total", "Messages that a topic did not take.", n, {"topic", topic})
        .said("failures");
  }
  if (!alarm_.name().empty()) {
    out.alarm(alarm_.name());
  }
}

}  // namespace fl
