#include "common/kafka/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/io/poll_set.h"
#include "common/kafka/problem.h"

namespace fl {
namespace {

/// Records examined between two blocks: those that become no event take time, too.
constexpr int kRecordsAtOnce = 2000;
/// While the stages below take nothing, the ends of the partitions are asked for this often.
constexpr std::int64_t kLagMs = 5000;

}  // namespace

KafkaSource::KafkaSource(KafkaSourceOptions options) : options_(std::move(options)) {}

KafkaSource::~KafkaSource() { end_client(); }

// ---------------------------------------------------------------- start

Status KafkaSource::open(const StageContext& context) {
  context_ = context;
  if (Status status = check_options(); !status) {
    return status;
  }
  const Result<RecordRules> rules = this->rules();
  if (!rules) {
    return rules.error();
  }
  event_ = std::make_unique<RecordEvent>(*rules, context.limits);
  const Result<KafkaSettings> settings = this->settings();
  if (!settings) {
    return settings.error();
  }
  auto consumer = KafkaConsumer::make(*settings);
  if (!consumer) {
    return consumer.error();
  }
  consumer_ = std::move(*consumer);
  poll_interval_ms_ = consumer_->poll_interval_ms();
  if (context.dry_run) {
    return dry_run();
  }
  auto queries = std::make_unique<KafkaQueries>(consumer_->client());
  if (Status status = queries->start(); !status) {
    return status;
  }
  queries_ = std::move(queries);
  if (!options_.group.empty()) {
    if (Status status = consumer_->subscribe(subscription()); !status) {
      return status;
    }
  }
  if (options_.topics_regex.empty()) {
    ask({options_.topics, {}, false, std::nullopt});
  }
  return {};
}

Status KafkaSource::dry_run() {
  const KafkaQuestion question{options_.topics, {}, false, std::nullopt};
  const Result<KafkaAnswer> answer = KafkaQueries::ask_dry(consumer_->client(), question);
  if (!answer) {
    return answer.error();
  }
  if (!options_.topics.empty()) {
    log(LogLevel::info, fmt::format("{} in {}", count_of(answer->places.size(), "partition"),
                                    count_of(options_.topics.size(), "topic")));
  }
  return {};
}

void KafkaSource::ask(KafkaQuestion question) { queries_->ask(std::move(question)); }

void KafkaSource::ask_places(const std::vector<KafkaPartition>& partitions) {
  KafkaQuestion question;
  question.partitions = partitions;
  question.wants_committed = consumer_->is_in_group();
  if (from_.kind == FirstPlace::Kind::time) {
    question.time = from_.value;
  }
  ask(std::move(question));
}

// ---------------------------------------------------------------- waiting

void KafkaSource::watch(PollSet& set, bool room) {
  records_index_ = -1;
  if (!consumer_) {
    return;
  }
  consumer_->client().watch(set);
  if (queries_) {
    set.add(queries_->fd(), POLLIN);
  }
  const bool is_taking = room && !ledger_.full() && !loss_;
  if (is_taking) {
    records_index_ = set.add(consumer_->records_fd(), POLLIN);
  } else if (!is_held_up_) {
    next_lag_ms_ = monotonic_ms() + kLagMs;
  }
  is_held_up_ = !is_taking;
  set.wake_at(deadline_ms());
}

std::int64_t KafkaSource::deadline_ms() const {
  if (!consumer_ || !queries_) {
    return -1;
  }
  if (must_ask_outrun() || must_ask_ends()) {
    return monotonic_ms();
  }
  std::int64_t deadline = next_poll_ms_;
  if (loss_) {
    deadline = std::min(deadline, loss_->deadline_ms);
  }
  if (may_ask_lag()) {
    deadline = std::min(deadline, next_lag_ms_);
  }
  if (!is_commit_open_ && consumer_->is_in_group()) {
    const bool is_due = std::any_of(slots_.begin(), slots_.end(), [this](const auto& slot) {
      return !is_committed(*slot.second);
    });
    const std::int64_t next_ms = loss_ ? 0 : next_commit_ms_;
    deadline = is_due ? std::min(deadline, std::max(next_ms, retry_commit_ms_)) : deadline;
  }
  return deadline;
}

Status KafkaSource::handle(const PollSet& set) {
  if (!queries_) {
    return {};
  }
  if (set.revents(records_index_) != 0) {
    consumer_->clear_records();
    has_records_ = true;
  }
  return serve();
}

bool KafkaSource::must_ask_outrun() const {
  return !outrun_.empty() && !queries_->is_busy() && !is_gain_open_;
}

bool KafkaSource::must_ask_ends() const {
  return wants_ends_ && !queries_->is_busy() && !is_gain_open_ && outrun_.empty();
}

bool KafkaSource::may_ask_lag() const {
  return is_held_up_ && !is_stopping_ && !away_ && !slots_.empty() && awaited_.empty() &&
         !is_gain_open_ && !queries_->is_busy();
}

bool KafkaSource::ready() const {
  if (loss_) {
    return !loss_->is_asked;
  }
  return (current_ || has_records_ || is_finished()) && !ledger_.full();
}

Status KafkaSource::serve() {
  next_poll_ms_ = monotonic_ms() + std::max<std::int64_t>(1, poll_interval_ms_ / 3);
  if (Status status = hear(); !status) {
    return status;
  }
  if (std::optional<KafkaAnswer> answer = queries_->take()) {
    if (Status status = take_answer(*answer); !status) {
      return status;
    }
  }
  if (Status status = serve_loss(); !status) {
    return status;
  }
  if (must_ask_outrun()) {
    ask_places(outrun_);
  } else if (must_ask_ends()) {
    ask_ends();
  } else if (may_ask_lag() && monotonic_ms() >= next_lag_ms_) {
    next_lag_ms_ = monotonic_ms() + kLagMs;
    ask_lag();
  }
  if (may_commit() && monotonic_ms() >= next_commit_ms_) {
    if (Status status = commit_safe(); !status) {
      return status;
    }
  }
  return look_at_problem();
}

// ---------------------------------------------------------------- events

Result<Source::State> KafkaSource::produce(BlockBuilder& out) {
  if (!queries_) {
    return State::end;  // --dry-run
  }
  if (loss_) {
    loss_->is_asked = true;
    return State::wait;
  }
  for (int i = 0; i < kRecordsAtOnce && !ledger_.full(); ++i) {
    Status status;
    if (!take_record(out, status)) {
      if (!status) {
        return status.error();
      }
      if (current_) {
        return State::more;
      }
      return is_finished() ? State::end : State::wait;
    }
  }
  return ledger_.full() ? State::wait : State::more;
}

// One record. False: there is none, it found no room, or an error.
bool KafkaSource::take_record(BlockBuilder& out, Status& status) {
  if (!current_) {
    current_ = consumer_->record();
    if (!current_) {
      has_records_ = false;
      return false;
    }
    current_slot_.reset();
    status = take_message(*current_);
    if (!status) {
      return false;
    }
  }
  if (current_slot_) {
    if (!event_->fits(out)) {
      return false;
    }
    event_->add(out);
    ledger_.add(current_slot_, current_->offset);
    current_slot_->next = current_->offset + 1;
    ++produced_;
    finish_if_read(*current_slot_);
    current_slot_.reset();
  }
  current_.reset();
  return true;
}

KafkaSource::Slot KafkaSource::find(std::string_view topic, std::int32_t partition) const {
  const auto found = slots_.find({std::string(topic), partition});
  return found == slots_.end() ? nullptr : found->second;
}

KafkaSource::Slot KafkaSource::slot_of(const rd_kafka_message_t& message) {
  if (message.rkt == nullptr) {
    return nullptr;
  }
  if (message.rkt != last_topic_ || !last_slot_ || last_slot_->partition != message.partition) {
    last_topic_ = message.rkt;
    last_slot_ = find(rd_kafka_topic_name(message.rkt), message.partition);
  }
  return last_slot_;
}

Status KafkaSource::take_message(const rd_kafka_message_t& message) {
  const Slot slot = slot_of(message);
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    // What was fetched before a loss, or before a seek, is not ours or was handed on already.
    if (!slot || message.offset < slot->next || slot->is_read()) {
      return {};
    }
    return make_event(message, slot);
  }
  if (!slot) {
    return {};
  }
  if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    end_of_partition(slot, message.offset);
    return {};
  }
  if (message.err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
      message.err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
    if (const KafkaPartition partition{slot->topic, slot->partition};
        std::count(outrun_.begin(), outrun_.end(), partition) == 0) {
      outrun_.push_back(partition);
    }
    return {};
  }
  const KafkaProblem problem = kafka_problem(message.err, rd_kafka_message_errstr(&message));
  if (problem.error.kind == ErrorClass::permission) {
    return problem.error;
  }
  if (complaints_.happened(monotonic_ms())) {
    log(LogLevel::warning,
        fmt::format("{} [{}]: {}", slot->topic, slot->partition, problem.error.message));
    complaints_.reported(monotonic_ms());
  }
  return {};
}

Status KafkaSource::make_event(const rd_kafka_message_t& message, const Slot& slot) {
  record_.topic = slot->topic;
  record_.partition = message.partition;
  record_.offset = message.offset;
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  record_.timestamp = rd_kafka_message_timestamp(&message, &type);
  record_.key.reset();
  if (message.key != nullptr) {
    record_.key.emplace(static_cast<const char*>(message.key), message.key_len);
  }
  record_.value.reset();
  if (message.payload != nullptr) {
    record_.value.emplace(static_cast<const char*>(message.payload), message.len);
  }
  record_.headers.clear();
  rd_kafka_headers_t* headers = nullptr;
  // The library makes a buffer for this, whether there are any or not.
  if (event_->wants_headers() &&
      rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record_.headers.emplace_back(
          name, std::string_view(static_cast<const char*>(value), value == nullptr ? 0 : size));
    }
  }
  const RecordEvent::Outcome outcome = event_->make(record_);
  if (event_->counts().prefixes > 0 && options_.registry_prefix == "keep" &&
      !std::exchange(is_prefix_told_, true)) {
    log(LogLevel::warning,
        fmt::format(
            "record {} of {} [{}] begins as with the id of a schema (registry): such bodies "
            "are passed on as they are; --registry-prefix strip makes a header of it",
            message.offset, slot->topic, slot->partition));
  }
  if (outcome == RecordEvent::Outcome::made) {
    current_slot_ = slot;
    return {};
  }
  if (outcome == RecordEvent::Outcome::rejected) {
    Event event;
    const char* why = "";
    const EventLimits any{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(event_->raw().data());
    (void)scan_whole_event(begin, begin + event_->raw().size(), any, event, why);
    if (Status status = context_.rejects != nullptr ? context_.rejects->reject(event, event_->why())
                                                    : Status(event_->why());
        !status) {
      return status;
    }
  } else if (passed_over_.happened(monotonic_ms())) {
    log(LogLevel::warning,
        fmt::format("record {} of {} [{}] was left out ({} so far)", message.offset, slot->topic,
                    slot->partition, event_->counts().skipped));
    passed_over_.reported(monotonic_ms());
  }
  end_of_partition(slot, message.offset + 1);
  return {};
}

// Nothing before `offset` is left to be handed on.
void KafkaSource::end_of_partition(const Slot& slot, std::int64_t offset) {
  if (offset > slot->next) {
    slot->next = offset;
    ledger_.pass(slot, offset);
  }
  finish_if_read(*slot);
}

void KafkaSource::finish_if_read(KafkaSlot& slot) {
  if (slot.is_read() && consumer_->is_in_group()) {
    consumer_->pause({slot.topic, slot.partition});
  }
}

bool KafkaSource::is_finished() const {
  if (options_.once && has_no_topic_ && !had_partitions_) {
    return true;
  }
  // A member that is to finish may have got no partitions.
  const bool has_begun = had_partitions_ || (is_finishing_ && has_joined_);
  return options_.once && has_begun && awaited_.empty() && outrun_.empty() && !wants_ends_ &&
         !is_asking_ends_ && !is_gain_open_ && !loss_ && !current_ &&
         std::all_of(slots_.begin(), slots_.end(),
                     [](const auto& slot) { return slot.second->is_read(); });
}

}  // namespace fl
