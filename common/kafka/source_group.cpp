// The kafka source and its partitions: gains, losses, where to begin, what is committed.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/kafka/bounded.h"
#include "common/kafka/problem.h"
#include "common/kafka/source.h"

namespace fl {
namespace {

/// How long the others of the group wait for acknowledgements of what we give up.
constexpr std::int64_t kLossMs = 5000;
/// For the last commits: after a signal, since a sink that got it, too, waits for our end for
/// --grace, 10 seconds; and where everything was read, when nobody is in a hurry. Then for leaving
/// the group, since a member that does not leave keeps its partitions from others; and for
/// everything that the library does at its end.
constexpr std::int64_t kCloseMs = 5000;
constexpr std::int64_t kFinishMs = 30'000;
constexpr std::int64_t kLeaveMs = 2000;
constexpr std::int64_t kEndMs = 4000;
/// After a commit that has failed: doubled each time, up to the usual interval or a second, since
/// at the end there are only a few.
constexpr std::int64_t kCommitPauseMs = 100;
constexpr std::int64_t kLastCommitPauseMs = 1000;
/// While rejected records are synced a commit is tried again this often.
constexpr std::int64_t kRejectsMs = 10;

std::string names_of(const std::vector<KafkaPartition>& partitions) {
  constexpr std::size_t kMost = 8;
  std::string out;
  for (std::size_t i = 0; i < partitions.size() && i < kMost; ++i) {
    out += (i == 0 ? "" : ", ") + partitions[i].name();
  }
  return partitions.size() > kMost ? fmt::format("{} and {} more", out, partitions.size() - kMost)
                                   : out;
}

}  // namespace

// Handles what the group reports.
Status KafkaSource::hear() {
  consumer_->client().clear();
  std::optional<KafkaConsumer::Change> change;
  std::optional<KafkaConsumer::Commit> commit;
  while (consumer_->next(change, commit)) {
    if (commit) {
      const Status status = take_commit(*commit);
      commit.reset();
      if (!status) {
        return status;
      }
    }
    if (change) {
      if (Status status = take_change(*change); !status) {
        return status;
      }
      change.reset();
    }
  }
  return {};
}

Status KafkaSource::take_change(const KafkaConsumer::Change& change) {
  ++rebalances_;
  reached();
  if (change.is_gain) {
    has_joined_ = true;
    repeated_ = 0;  // the group works, and somebody goes on with what was taken from here
    if (change.partitions.empty()) {
      return consumer_->take({});
    }
    is_gain_open_ = true;
    awaited_ = change.partitions;
    if (!queries_->is_busy()) {
      ask_places(awaited_);
    }
    return {};
  }
  // It also ends a gain that was not answered yet.
  is_gain_open_ = false;
  awaited_.clear();
  if (change.is_lost) {
    tell_repeated(change.partitions);
  }
  for (const KafkaPartition& partition : change.partitions) {
    if (const Slot slot = find(partition.topic, partition.number)) {
      slot->is_owned = !change.is_lost;
    }
  }
  loss_ =
      Loss{change.partitions,
           change.is_lost ? 0 : monotonic_ms() + std::min(kLossMs, poll_interval_ms_ / 3), false};
  commit_soon();
  return serve_loss();
}

// Warns that their next owner begins with records that were handed on here.
void KafkaSource::tell_repeated(const std::vector<KafkaPartition>& partitions) {
  std::uint64_t records = 0;
  for (const KafkaPartition& partition : partitions) {
    const Slot slot = find(partition.topic, partition.number);
    if (slot && slot->next > slot->committed) {
      ++repeated_;
      records += static_cast<std::uint64_t>(slot->next - std::max(slot->committed, slot->first));
    }
  }
  if (records > 0) {
    log(LogLevel::warning,
        fmt::format("the group has taken {} from here: {} not acknowledged and committed yet will "
                    "be delivered again",
                    names_of(partitions), count_of(records, "record")));
  }
}

// Gives the partitions up when all of their events are acknowledged and that is committed, or at
// the deadline.
Status KafkaSource::serve_loss() {
  if (!loss_) {
    return {};
  }
  const bool is_late = monotonic_ms() >= loss_->deadline_ms;
  bool is_open = false;
  for (const KafkaPartition& partition : loss_->partitions) {
    const Slot slot = find(partition.topic, partition.number);
    is_open = is_open || (slot && slot->is_owned && (slot->in_flight > 0 || !is_committed(*slot)));
  }
  if (is_open && !is_late) {
    return may_commit() ? commit_safe() : Status();
  }
  const std::vector<KafkaPartition> partitions = std::move(loss_->partitions);
  loss_.reset();
  if (is_open) {
    if (Status status = commit_safe(); !status) {
      return status;
    }
    tell_repeated(partitions);
  }
  drop(partitions);
  return consumer_->give_up(partitions);
}

void KafkaSource::drop(const std::vector<KafkaPartition>& partitions) {
  for (const KafkaPartition& partition : partitions) {
    if (const auto found = slots_.find(partition); found != slots_.end()) {
      found->second->is_owned = false;
      slots_.erase(found);
    }
    std::erase(outrun_, partition);
  }
  last_slot_.reset();
  // Its event was not handed on.
  if (current_slot_ && !current_slot_->is_owned) {
    current_slot_.reset();
    current_.reset();
  }
}

// ---------------------------------------------------------------- where to begin

Status KafkaSource::take_answer(const KafkaAnswer& answer) {
  if (std::exchange(is_asking_lag_, false)) {
    take_lag(answer);
    if (!awaited_.empty()) {
      ask_places(awaited_);
    }
    return {};
  }
  if (answer.refused) {
    return *answer.refused;
  }
  const bool is_of_topics =
      !answer.places.empty() && std::all_of(answer.places.begin(), answer.places.end(),
                                            [](const auto& place) { return place.high < 0; });
  reached();
  if (is_of_topics) {
    return take_topics(answer);
  }
  if (std::exchange(is_asking_ends_, false)) {
    take_ends(answer);
    if (!awaited_.empty()) {
      ask_places(awaited_);
    }
    return {};
  }
  // A gain may be over, or have changed, since the question.
  std::vector<KafkaPartition> asked;
  for (const KafkaAnswer::Offsets& place : answer.places) {
    asked.push_back(place.partition);
  }
  if (asked == outrun_) {
    outrun_.clear();
    return go_on(answer);
  }
  if (asked == awaited_) {
    return take_places(answer);
  }
  if (!awaited_.empty()) {
    ask_places(awaited_);
  }
  return {};
}

// The topics are there. Without a group their partitions are ours.
Status KafkaSource::take_topics(const KafkaAnswer& answer) {
  if (consumer_->is_in_group()) {
    if (!awaited_.empty()) {
      ask_places(awaited_);
    }
    return {};
  }
  for (const KafkaAnswer::Offsets& place : answer.places) {
    const std::int32_t number = place.partition.number;
    if (numbers_.empty() || std::count(numbers_.begin(), numbers_.end(), number) > 0) {
      awaited_.push_back(place.partition);
    }
  }
  for (const std::int32_t number : numbers_) {
    for (const std::string& topic : options_.topics) {
      const KafkaPartition wanted{topic, number};
      if (std::count(awaited_.begin(), awaited_.end(), wanted) == 0) {
        return Error{ErrorClass::config, wanted.name() + " does not exist",
                     "partitions are numbered from 0"};
      }
    }
  }
  ask_places(awaited_);
  return {};
}

Result<std::int64_t> KafkaSource::first_offset(const KafkaAnswer::Offsets& place) {
  const auto& [partition, low, high, at_time, committed] = place;
  if (offset_ >= 0) {
    if (offset_ < low || offset_ > high) {
      return Error{ErrorClass::config,
                   fmt::format("{} has no offset {}: it holds {} to {}", partition.name(), offset_,
                               low, high),
                   {}};
    }
    return offset_;
  }
  if (committed > high) {
    log(LogLevel::warning,
        fmt::format("the group's offset {} in {} is past its end, {}: was the topic recreated? "
                    "Reading from its beginning",
                    committed, partition.name(), high));
    return low;
  }
  if (committed >= 0 && committed < low) {
    tell_expired(partition, committed, low);
    return low;
  }
  if (committed >= 0) {
    return committed;
  }
  if (from_.kind == FirstPlace::Kind::none) {
    return Error{
        ErrorClass::config,
        fmt::format("the group '{}' has no offset in {}", options_.group, partition.name()),
        "--from says where to begin"};
  }
  return from_.in(low, high, at_time);
}

void KafkaSource::tell_expired(const KafkaPartition& partition, std::int64_t from,
                               std::int64_t to) {
  expired_ += static_cast<std::uint64_t>(to - from);
  log(LogLevel::warning,
      fmt::format("{}: offsets {} to {} have expired before they were read ({})", partition.name(),
                  from, to - 1,
                  count_of(static_cast<std::uint64_t>(to - from), "record") + " at most"));
}

Status KafkaSource::take_places(const KafkaAnswer& answer) {
  std::vector<KafkaOffset> places;
  for (const KafkaAnswer::Offsets& place : answer.places) {
    const Result<std::int64_t> first = first_offset(place);
    if (!first) {
      return first.error();
    }
    auto slot = std::make_shared<KafkaSlot>();
    slot->topic = place.partition.topic;
    slot->partition = place.partition.number;
    slot->first = *first;
    slot->next = *first;
    slot->safe = *first;
    // What it begins with is committed, too: another start begins there, not at a newer end.
    slot->committed = place.committed;
    slot->end_at = options_.once ? place.high : -1;
    slots_[place.partition] = std::move(slot);
    places.push_back({place.partition, *first});
  }
  awaited_.clear();
  is_gain_open_ = false;
  had_partitions_ = true;
  last_slot_.reset();
  if (Status status = consumer_->take(places); !status) {
    return status;
  }
  for (const auto& [partition, slot] : slots_) {
    finish_if_read(*slot);
  }
  return {};
}

void KafkaSource::finish() {
  options_.once = true;
  is_finishing_ = true;
  wants_ends_ = true;
}

// Partitions that come later say where they end when they come.
void KafkaSource::ask_ends() {
  wants_ends_ = false;
  std::vector<KafkaPartition> partitions;
  for (const auto& [partition, slot] : slots_) {
    partitions.push_back(partition);
  }
  if (!partitions.empty()) {
    is_asking_ends_ = true;
    ask_places(partitions);
  }
}

void KafkaSource::take_ends(const KafkaAnswer& answer) {
  for (const KafkaAnswer::Offsets& place : answer.places) {
    if (const Slot slot = find(place.partition.topic, place.partition.number)) {
      slot->end_at = place.high;
      finish_if_read(*slot);
    }
  }
}

void KafkaSource::ask_lag() {
  KafkaQuestion question;
  for (const auto& [partition, slot] : slots_) {
    question.partitions.push_back(partition);
  }
  is_asking_lag_ = true;
  ask(std::move(question));
}

// A figure only: what is refused shows where it matters.
void KafkaSource::take_lag(const KafkaAnswer& answer) {
  if (!answer.refused) {
    reached();
  }
  for (const KafkaAnswer::Offsets& place : answer.places) {
    if (const Slot slot = find(place.partition.topic, place.partition.number)) {
      slot->end = place.high;
    }
  }
}

// Records that the group had not read have expired, or the topic was recreated.
Status KafkaSource::go_on(const KafkaAnswer& answer) {
  std::vector<KafkaOffset> places;
  for (const KafkaAnswer::Offsets& place : answer.places) {
    const Slot slot = find(place.partition.topic, place.partition.number);
    if (!slot) {
      continue;
    }
    if (slot->next < place.low) {
      tell_expired(place.partition, slot->next, place.low);
    } else if (slot->next > place.high) {
      log(LogLevel::warning,
          fmt::format("{} ends at {}, and {} was expected: was the topic recreated? Reading from "
                      "its beginning",
                      place.partition.name(), place.high, slot->next));
      // Offsets of the old one mean nothing any more.
      auto anew = std::make_shared<KafkaSlot>(*slot);
      anew->in_flight = 0;
      anew->entries = 0;
      anew->first = place.low;
      anew->next = place.low;
      anew->safe = place.low;
      anew->end_at = options_.once ? place.high : -1;
      slot->is_owned = false;
      slots_[place.partition] = anew;
      last_slot_.reset();
      places.push_back({place.partition, place.low});
      continue;
    }
    const std::int64_t next = std::max(slot->next, place.low);
    end_of_partition(slot, next);
    places.push_back({place.partition, next});
  }
  std::vector<KafkaOffset> all;
  for (const auto& [partition, slot] : slots_) {
    all.push_back({partition, slot->next});
  }
  last_slot_.reset();
  return places.empty() ? Status() : consumer_->restart(places, all);
}

// ---------------------------------------------------------------- commits

bool KafkaSource::is_committed(const KafkaSlot& slot) const { return slot.safe == slot.committed; }

Status KafkaSource::acked(std::uint64_t n) {
  ledger_.acknowledge(n);
  return {};
}

bool KafkaSource::may_commit() const {
  return !is_commit_open_ && monotonic_ms() >= retry_commit_ms_;
}

// The time is limited from now on: what has failed before is tried once more, at once.
void KafkaSource::commit_soon() {
  retry_commit_ms_ = 0;
  commit_pause_ms_ = 0;
}

Status KafkaSource::commit_safe() {
  if (!consumer_->is_in_group()) {
    return {};
  }
  std::vector<KafkaOffset> offsets;
  for (const auto& [partition, slot] : slots_) {
    if (slot->is_owned && !is_committed(*slot)) {
      slot->asked = slot->safe;
      offsets.push_back({partition, slot->safe});
    }
  }
  if (offsets.empty()) {
    return {};
  }
  if (context_.rejects != nullptr) {
    const Result<bool> synced = context_.rejects->synced();
    if (!synced) {
      return synced.error();
    }
    if (!*synced) {
      retry_commit_ms_ = monotonic_ms() + kRejectsMs;
      return {};
    }
  }
  next_commit_ms_ = monotonic_ms() + options_.commit_interval.ms;
  is_commit_open_ = true;
  return consumer_->commit(offsets);
}

Status KafkaSource::take_commit(const KafkaConsumer::Commit& commit) {
  is_commit_open_ = false;
  for (const auto& [partition, offset] : commit.offsets) {
    // The slot may be another one by now.
    if (const Slot slot = find(partition.topic, partition.number); slot && slot->asked == offset) {
      slot->committed = offset;
    }
  }
  if (!commit.offsets.empty()) {
    ++commits_;
    reached();
  }
  if (commit.code == RD_KAFKA_RESP_ERR_NO_ERROR || commit.code == RD_KAFKA_RESP_ERR__NO_OFFSET) {
    commit_trouble_.reset();
    commit_soon();
    return {};
  }
  commit_trouble_ = kafka_problem(commit.code, "").error;
  // Local codes are lost connections, where a login that was right before may be so again.
  if (commit_trouble_->kind == ErrorClass::permission && commit.code > 0) {
    return Error{ErrorClass::permission,
                 fmt::format("the offsets of the group '{}' could not be committed: {}",
                             options_.group, commit_trouble_->message),
                 commit_trouble_->hint};
  }
  const std::int64_t now = monotonic_ms();
  const auto most = std::min<std::int64_t>(options_.commit_interval.ms, kLastCommitPauseMs);
  commit_pause_ms_ = std::max(kCommitPauseMs, std::min(2 * commit_pause_ms_, most));
  retry_commit_ms_ = now + commit_pause_ms_;
  if (failed_commits_.happened(now)) {
    log(LogLevel::warning,
        fmt::format("offsets could not be committed, trying again: {}", commit_trouble_->message));
    failed_commits_.reported(now);
  }
  return {};
}

Status KafkaSource::close() {
  if (!consumer_ || !queries_) {
    return {};
  }
  const std::int64_t until = monotonic_ms() + (is_stopping_ ? kCloseMs : kFinishMs);
  std::uint64_t left = 0;
  Status status;
  if (consumer_->is_in_group() && has_joined_) {
    PollSet set;
    commit_soon();
    for (;;) {
      if (Status heard = hear(); !heard && heard.error().kind == ErrorClass::permission) {
        status = heard;
      } else if (loss_) {
        status = serve_loss();
      } else if (may_commit()) {
        status = commit_safe();
      }
      left = 0;
      for (const auto& [partition, slot] : slots_) {
        left += slot->is_owned && !is_committed(*slot) ? 1U : 0U;
      }
      if (left == 0 || !status || monotonic_ms() >= until) {
        break;
      }
      set.clear();
      consumer_->client().watch(set);
      std::int64_t wake_ms = is_commit_open_ ? until : std::min(until, retry_commit_ms_);
      wake_ms = loss_ ? std::min(wake_ms, loss_->deadline_ms) : wake_ms;
      set.wake_at(wake_ms);
      set.wait();
    }
  }
  left += repeated_;
  if (status && left > 0) {
    const std::optional<KafkaProblem>& problem = consumer_->client().problem();
    const std::string why = commit_trouble_ ? commit_trouble_->message
                            : problem       ? problem->error.message
                                            : "";
    status = Error{ErrorClass::again,
                   fmt::format("the last offsets of {} could not be committed{}{}",
                               count_of(left, "partition"), why.empty() ? "" : ": ", why),
                   "the next run delivers these events again"};
  }
  end_client();
  return status;
}

// Leaves the group and ends the client, on another thread: everything is committed by now, or
// reported as not committed, and whatever the library still waits for must not hold up the stages
// below.
void KafkaSource::end_client() {
  if (!consumer_) {
    return;
  }
  last_lags_ = lags();
  struct Client {
    std::unique_ptr<KafkaConsumer> consumer;
    std::unique_ptr<KafkaQueries> queries;
    KafkaMessage current;
  };
  const auto client = std::make_shared<Client>();  // of the thread, too
  client->consumer = std::move(consumer_);
  client->queries = std::move(queries_);
  client->current = std::move(current_);
  const bool is_over = ends_within(kEndMs, [client] {
    if (client->queries) {  // else it has never joined
      client->consumer->close(monotonic_ms() + kLeaveMs);
    }
    client->queries.reset();
    client->current.reset();
    client->consumer.reset();
  });
  if (!is_over) {
    leave_threads_behind();
    log(LogLevel::warning,
        fmt::format("librdkafka did not shut down within {} ms: ending without it", kEndMs));
  }
}

// ---------------------------------------------------------------- what is wrong

// A broker has answered.
void KafkaSource::reached() {
  consumer_->client().works();
  if (away_) {
    away_.reset();
    log(LogLevel::info, fmt::format("Kafka at {} answers again", consumer_->client().servers()));
  }
}

Status KafkaSource::look_at_problem() {
  const std::optional<KafkaProblem>& problem = consumer_->client().problem();
  if (!problem) {
    return {};
  }
  switch (problem->kind) {
    case KafkaProblem::Kind::fatal:
      return problem->error;
    case KafkaProblem::Kind::refused:
      if (!consumer_->client().has_worked() || is_stopping_) {
        return problem->error;
      }
      break;
    case KafkaProblem::Kind::topic:
      if (had_partitions_) {
        break;
      }
      if (options_.topics_regex.empty()) {
        return problem->error;
      }
      if (!std::exchange(has_no_topic_, true)) {
        log(LogLevel::warning,
            fmt::format("no topic matches --topics-regex '{}'{}", printable(options_.topics_regex),
                        options_.once ? "" : "; waiting for one"));
      }
      return {};
    default:
      break;
  }
  if (!away_) {
    away_ = problem->error;
    away_->message = fmt::format("Kafka at {} does not answer: {}", consumer_->client().servers(),
                                 problem->error.message);
    log(LogLevel::warning, away_->message + ", trying again until it works");
  }
  // An idle group reports nothing when its brokers are back.
  if (!queries_->is_busy() && awaited_.empty() && outrun_.empty()) {
    ask({options_.topics, {}, false, std::nullopt});
  }
  return {};
}

std::optional<Error> KafkaSource::missing() const { return away_; }

}  // namespace fl
