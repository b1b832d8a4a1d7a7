#include "common/kafka/consumer.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "common/base/clock.h"
#include "common/base/units.h"
#include "common/kafka/problem.h"

namespace fl {
namespace {

constexpr std::uint64_t kOne = 1;
constexpr int kCloseStepMs = 50;
// Each call takes a lock and reads the clock; large records must not add up.
constexpr std::size_t kTakenAtOnce = 64;
constexpr std::uint64_t kDefaultQueueKib = 65'536;  // the library's
constexpr int kSafeVersion = 0x020300ff;

Status checked(rd_kafka_error_t* error, std::string_view what) {
  if (error == nullptr) {
    return {};
  }
  KafkaProblem problem = kafka_problem(rd_kafka_error_code(error), rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  problem.error.message = fmt::format("{}: {}", what, problem.error.message);
  return problem.error;
}

Status checked(rd_kafka_resp_err_t code, std::string_view what) {
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    return {};
  }
  KafkaProblem problem = kafka_problem(code, "");
  problem.error.message = fmt::format("{}: {}", what, problem.error.message);
  return problem.error;
}

KafkaPartitions list_of(const std::vector<KafkaOffset>& places) {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(places.size())));
  for (const auto& [partition, offset] : places) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number)
        ->offset = offset;
  }
  return list;
}

KafkaPartitions list_of(const std::vector<KafkaPartition>& partitions) {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const KafkaPartition& one : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), one.topic.c_str(), one.number);
  }
  return list;
}

}  // namespace

Result<std::unique_ptr<KafkaConsumer>> KafkaConsumer::make(const KafkaSettings& settings) {
  std::unique_ptr<KafkaConsumer> consumer(new KafkaConsumer);
  consumer->is_in_group_ = settings.find("group.id").has_value();
  consumer->wake_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!consumer->wake_) {
    return system_error("cannot make an eventfd", errno);
  }
  auto client = KafkaClient::make(
      settings, RD_KAFKA_EVENT_FETCH | RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT);
  if (!client) {
    return client.error();
  }
  consumer->client_ = std::move(*client);
  consumer->records_.reset(rd_kafka_queue_new(consumer->client_->handle()));
  rd_kafka_queue_io_event_enable(consumer->records_.get(), consumer->wake_.get(), &kOne,
                                 sizeof kOne);
  const Result<std::uint64_t> queue_kib =
      parse_count(settings.find("queued.max.messages.kbytes").value_or(""), UINT32_MAX);
  consumer->nudge_.emplace(consumer->client_->handle(), (queue_kib ? *queue_kib : kDefaultQueueKib)
                                                            << 10);
  if (Status status = consumer->nudge_->start(); !status) {
    return status.error();
  }
  return consumer;
}

KafkaConsumer::~KafkaConsumer() {
  nudge_.reset();
  if (records_) {
    rd_kafka_queue_io_event_enable(records_.get(), -1, nullptr, 0);
  }
  for (const KafkaPartition& one : started_) {
    (void)rd_kafka_consume_stop(topic(one.topic), one.number);
  }
  topics_.clear();
  drop_taken();
  // What is in the queue refers to its partitions, which hold the library's threads.
  while (records_ && KafkaMessage(rd_kafka_consume_queue(records_.get(), 0))) {}
  records_.reset();
}

std::int64_t KafkaConsumer::poll_interval_ms() const {
  constexpr std::int64_t kDefaultMs = 300'000;
  std::array<char, 32> text{};
  std::size_t size = text.size();
  (void)rd_kafka_conf_get(rd_kafka_conf(client_->handle()), "max.poll.interval.ms", text.data(),
                          &size);
  const Result<std::uint64_t> ms = parse_count(text.data(), INT32_MAX);
  return ms ? static_cast<std::int64_t>(*ms) : kDefaultMs;
}

Status KafkaConsumer::subscribe(const std::vector<std::string>& topics) {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(topics.size())));
  for (const std::string& topic : topics) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), RD_KAFKA_PARTITION_UA);
  }
  return checked(rd_kafka_subscribe(client_->handle(), list.get()), "cannot join the group");
}

bool KafkaConsumer::next(std::optional<Change>& change, std::optional<Commit>& commit) {
  for (;;) {
    const KafkaEvent event = client_->next();
    if (!event) {
      return false;
    }
    const rd_kafka_topic_partition_list_t* const list =
        rd_kafka_event_topic_partition_list(event.get());
    const rd_kafka_resp_err_t code = rd_kafka_event_error(event.get());
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) {
      change.emplace();
      change->is_gain = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
      // Asked for only where it may have changed: while a member leaves, the library may drop the
      // question and never answer.
      if (change->is_gain && !(is_closed_ && was_assigned_)) {
        const char* const protocol = rd_kafka_rebalance_protocol(client_->handle());
        is_cooperative_ = protocol != nullptr && std::string_view(protocol) == "COOPERATIVE";
        was_assigned_ = true;
      }
      change->is_lost = !change->is_gain && rd_kafka_assignment_lost(client_->handle()) != 0;
      for (int i = 0; list != nullptr && i < list->cnt; ++i) {
        change->partitions.push_back({list->elems[i].topic, list->elems[i].partition});
      }
      return true;
    }
    if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_OFFSET_COMMIT) {
      commit.emplace();
      commit->code = code;
      for (int i = 0; list != nullptr && i < list->cnt; ++i) {
        const rd_kafka_topic_partition_t& one = list->elems[i];
        if (one.err == RD_KAFKA_RESP_ERR_NO_ERROR && code == RD_KAFKA_RESP_ERR_NO_ERROR) {
          commit->offsets.push_back({{one.topic, one.partition}, one.offset});
        } else if (commit->code == RD_KAFKA_RESP_ERR_NO_ERROR) {
          commit->code = one.err;
        }
      }
      return true;
    }
  }
}

void KafkaConsumer::forward(const KafkaPartition& partition) {
  const KafkaQueue own(
      rd_kafka_queue_get_partition(client_->handle(), partition.topic.c_str(), partition.number));
  if (own) {
    rd_kafka_queue_forward(own.get(), records_.get());
  }
}

Status KafkaConsumer::take(const std::vector<KafkaOffset>& places) {
  for (const KafkaOffset& place : places) {
    drop_taken(place.partition);
  }
  if (!is_in_group_) {
    for (const KafkaOffset& place : places) {
      if (Status status = start(place); !status) {
        return status;
      }
    }
    return {};
  }
  for (const KafkaOffset& place : places) {
    forward(place.partition);
  }
  const KafkaPartitions list = list_of(places);
  constexpr std::string_view kWhat = "cannot read the partitions";
  return is_cooperative_
             ? checked(rd_kafka_incremental_assign(client_->handle(), list.get()), kWhat)
             : checked(rd_kafka_assign(client_->handle(), list.get()), kWhat);
}

Status KafkaConsumer::give_up(const std::vector<KafkaPartition>& partitions) {
  constexpr std::string_view kWhat = "cannot give up partitions";
  if (!is_cooperative_) {
    drop_taken();
    return checked(rd_kafka_assign(client_->handle(), nullptr), kWhat);
  }
  for (const KafkaPartition& partition : partitions) {
    drop_taken(partition);
  }
  const KafkaPartitions list = list_of(partitions);
  return checked(rd_kafka_incremental_unassign(client_->handle(), list.get()), kWhat);
}

rd_kafka_topic_t* KafkaConsumer::topic(const std::string& name) {
  auto& topic = topics_[name];
  if (!topic) {
    topic.reset(rd_kafka_topic_new(client_->handle(), name.c_str(), nullptr));
  }
  return topic.get();
}

Status KafkaConsumer::start(const KafkaOffset& place) {
  const std::string what = "cannot read " + place.partition.name();
  rd_kafka_topic_t* const of = topic(place.partition.topic);
  if (of == nullptr ||
      rd_kafka_consume_start_queue(of, place.partition.number, place.offset, records_.get()) != 0) {
    return checked(rd_kafka_last_error(), what);
  }
  started_.push_back(place.partition);
  return {};
}

// A seek does not wake a partition whose offset was out of range.
Status KafkaConsumer::restart(const std::vector<KafkaOffset>& places,
                              const std::vector<KafkaOffset>& all) {
  if (is_in_group_ && !is_cooperative_) {
    return take(all);
  }
  std::vector<KafkaPartition> partitions;
  for (const KafkaOffset& place : places) {
    partitions.push_back(place.partition);
  }
  if (is_in_group_) {
    if (Status status = give_up(partitions); !status) {
      return status;
    }
  }
  for (const KafkaPartition& partition : partitions) {
    if (std::erase(started_, partition) > 0) {
      (void)rd_kafka_consume_stop(topic(partition.topic), partition.number);
    }
  }
  return take(places);
}

void KafkaConsumer::pause(const KafkaPartition& partition) {
  const KafkaPartitions list = list_of(std::vector<KafkaPartition>{partition});
  (void)rd_kafka_pause_partitions(client_->handle(), list.get());
}

Status KafkaConsumer::commit(const std::vector<KafkaOffset>& offsets) {
  const KafkaPartitions list = list_of(offsets);
  return checked(
      rd_kafka_commit_queue(client_->handle(), list.get(), client_->queue(), nullptr, nullptr),
      "cannot commit offsets");
}

std::int64_t KafkaConsumer::end_of(const KafkaPartition& partition) const {
  std::int64_t low = 0;
  std::int64_t high = 0;
  const rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(
      client_->handle(), partition.topic.c_str(), partition.number, &low, &high);
  return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : -1;
}

void KafkaConsumer::clear_records() {
  eventfd_t count = 0;
  (void)eventfd_read(wake_.get(), &count);
}

KafkaMessage KafkaConsumer::record() {
  for (;;) {
    if (at_ == taken_.size()) {
      taken_.resize(kTakenAtOnce);
      const ssize_t n =
          rd_kafka_consume_batch_queue(records_.get(), 0, taken_.data(), taken_.size());
      taken_.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
      at_ = 0;
      if (taken_.empty()) {
        return nullptr;
      }
    }
    if (KafkaMessage message(std::exchange(taken_[at_++], nullptr)); message) {
      if (nudge_) {
        nudge_->taken(*message);
      }
      return message;
    }
  }
}

void KafkaConsumer::drop_taken(const KafkaPartition& partition) {
  for (std::size_t i = at_; i < taken_.size(); ++i) {
    const rd_kafka_message_t* const message = taken_[i];
    if (message != nullptr && message->rkt != nullptr && message->partition == partition.number &&
        partition.topic == rd_kafka_topic_name(message->rkt)) {
      rd_kafka_message_destroy(std::exchange(taken_[i], nullptr));
    }
  }
}

void KafkaConsumer::drop_taken() {
  for (; at_ < taken_.size(); ++at_) {
    if (taken_[at_] != nullptr) {
      rd_kafka_message_destroy(taken_[at_]);
    }
  }
}

void KafkaConsumer::close(std::int64_t until_ms) {
  if (!is_in_group_ || std::exchange(is_closed_, true)) {
    return;
  }
  // Its thread asks for the assignment, which would not be answered either.
  nudge_.reset();
  drop_taken();
  if (!checked(rd_kafka_consumer_close_queue(client_->handle(), client_->queue()), "")) {
    return;
  }
  PollSet set;
  while (rd_kafka_consumer_closed(client_->handle()) == 0 && monotonic_ms() < until_ms) {
    std::optional<Change> change;
    std::optional<Commit> commit;
    while (next(change, commit)) {
      if (change && !change->is_gain) {
        (void)give_up(change->partitions);
      } else if (change) {
        (void)take({});
      }
      change.reset();
    }
    // Its end makes nothing readable.
    set.clear();
    client_->watch(set);
    set.wake_at(monotonic_ms() + kCloseStepMs);
    set.wait();
    client_->clear();
  }
  // Destroying the handle of a member that has not left yet may take forever, and before 2.3
  // librdkafka aborts the process there if no partition was ever given.
  const bool has_left = rd_kafka_consumer_closed(client_->handle()) != 0;
  if (!has_left || (!was_assigned_ && rd_kafka_version() < kSafeVersion)) {
    client_->abandon();
  }
}

}  // namespace fl
