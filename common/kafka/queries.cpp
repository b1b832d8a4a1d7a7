#include "common/kafka/queries.h"

#include <fmt/format.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "common/base/start.h"
#include "common/kafka/problem.h"

namespace fl {
namespace {

constexpr int kFirstAttemptMs = 1000;
constexpr int kLastAttemptMs = 8000;
constexpr std::chrono::milliseconds kPause(200);
constexpr int kDryRunMs = 3000;
constexpr std::int64_t kBeginning = -2;  // as times in a question for offsets
constexpr std::int64_t kEnd = -1;

struct TopicDeleter {
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
};
struct MetadataDeleter {
  void operator()(const rd_kafka_metadata_t* data) const { rd_kafka_metadata_destroy(data); }
};

// What asking again may change is of class unavailable.
Error error_of(rd_kafka_resp_err_t code, const std::string& what) {
  const KafkaProblem problem = kafka_problem(code, "");
  const bool lasts =
      problem.kind == KafkaProblem::Kind::topic || problem.error.kind == ErrorClass::permission;
  return {lasts ? problem.error.kind : ErrorClass::unavailable,
          fmt::format("{}: {}", what, problem.error.message), problem.error.hint};
}

Status add_partitions(rd_kafka_t* handle, const std::string& name, int ms, KafkaAnswer& answer) {
  const std::unique_ptr<rd_kafka_topic_t, TopicDeleter> topic(
      rd_kafka_topic_new(handle, name.c_str(), nullptr));
  if (!topic) {
    return error_of(rd_kafka_last_error(), fmt::format("topic '{}'", name));
  }
  const rd_kafka_metadata_t* found = nullptr;
  const rd_kafka_resp_err_t asked = rd_kafka_metadata(handle, 0, topic.get(), &found, ms);
  const std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter> metadata(found);
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(asked, fmt::format("topic '{}'", name));
  }
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& one = metadata->topics[i];
    if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(one.err, fmt::format("topic '{}'", name));
    }
    for (int p = 0; p < one.partition_cnt; ++p) {
      answer.places.push_back({{name, one.partitions[p].id}});
    }
  }
  std::sort(answer.places.begin(), answer.places.end(),
            [](const auto& a, const auto& b) { return a.partition < b.partition; });
  return {};
}

// The number of a broker that answers.
Result<std::int32_t> reach_broker(rd_kafka_t* handle, int ms) {
  const rd_kafka_metadata_t* found = nullptr;
  const rd_kafka_resp_err_t asked = rd_kafka_metadata(handle, 0, nullptr, &found, ms);
  const std::unique_ptr<const rd_kafka_metadata_t, MetadataDeleter> metadata(found);
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(asked, "no broker answers");
  }
  return metadata->orig_broker_id;
}

KafkaPartitions list_of(const std::vector<KafkaPartition>& partitions, std::int64_t offset) {
  KafkaPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
  for (const KafkaPartition& one : partitions) {
    rd_kafka_topic_partition_list_add(list.get(), one.topic.c_str(), one.number)->offset = offset;
  }
  return list;
}

// Calls `ask` with a list of all partitions and hands the offsets to `take`, in their order.
template <typename Ask, typename Take>
Status each_offset(const std::vector<KafkaPartition>& partitions, std::int64_t offset,
                   const Ask& ask, const Take& take) {
  const KafkaPartitions list = list_of(partitions, offset);
  if (const rd_kafka_resp_err_t code = ask(list.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return error_of(code, partitions.front().name());
  }
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const rd_kafka_topic_partition_t* const one = rd_kafka_topic_partition_list_find(
        list.get(), partitions[i].topic.c_str(), partitions[i].number);
    if (one == nullptr || one->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return error_of(one == nullptr ? RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION : one->err,
                      partitions[i].name());
    }
    take(i, one->offset);
  }
  return {};
}

}  // namespace

std::string KafkaPartition::name() const { return fmt::format("{} [{}]", topic, number); }

Result<KafkaAnswer> KafkaQueries::ask_once(rd_kafka_t* handle, const KafkaQuestion& question,
                                           int ms) {
  KafkaAnswer answer;
  for (const std::string& topic : question.topics) {
    if (Status status = add_partitions(handle, topic, ms, answer); !status) {
      return status.error();
    }
  }
  const std::vector<KafkaPartition>& partitions = question.partitions;
  if (partitions.empty()) {
    if (question.topics.empty()) {
      if (const Result<std::int32_t> broker = reach_broker(handle, ms); !broker) {
        return broker.error();
      }
    }
    return answer;
  }
  for (const KafkaPartition& partition : partitions) {
    answer.places.push_back({partition});
  }
  const auto by_time = [handle, ms](rd_kafka_topic_partition_list_t* list) {
    return rd_kafka_offsets_for_times(handle, list, ms);
  };
  Status status = each_offset(partitions, kBeginning, by_time,
                              [&](std::size_t i, std::int64_t at) { answer.places[i].low = at; });
  if (status) {
    status = each_offset(partitions, kEnd, by_time,
                         [&](std::size_t i, std::int64_t at) { answer.places[i].high = at; });
  }
  if (status && question.time) {
    status = each_offset(partitions, *question.time, by_time, [&](std::size_t i, std::int64_t at) {
      answer.places[i].at_time = at < 0 ? -1 : at;
    });
  }
  if (status && question.wants_committed) {
    status = each_offset(
        partitions, RD_KAFKA_OFFSET_INVALID,
        [handle, ms](rd_kafka_topic_partition_list_t* list) {
          return rd_kafka_committed(handle, list, ms);
        },
        [&](std::size_t i, std::int64_t at) { answer.places[i].committed = at < 0 ? -1 : at; });
  }
  if (!status) {
    return status.error();
  }
  return answer;
}

Result<KafkaAnswer> KafkaQueries::ask_dry(KafkaClient& client, const KafkaQuestion& question) {
  Result<KafkaAnswer> answer = ask_once(client.handle(), question, kDryRunMs);
  while (client.next()) {}
  const std::optional<KafkaProblem>& problem = client.problem();
  if (!answer && problem && answer.error().kind == ErrorClass::unavailable) {
    return problem->error;
  }
  return answer;
}

std::optional<bool> KafkaQueries::makes_topics(rd_kafka_t* handle) {
  const Result<std::int32_t> broker = reach_broker(handle, kDryRunMs);
  if (!broker) {
    return std::nullopt;
  }
  const std::unique_ptr<rd_kafka_ConfigResource_t, decltype(&rd_kafka_ConfigResource_destroy)>
      resource(
          rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_BROKER, std::to_string(*broker).c_str()),
          &rd_kafka_ConfigResource_destroy);
  const KafkaQueue queue(rd_kafka_queue_new(handle));
  rd_kafka_ConfigResource_t* one = resource.get();
  rd_kafka_DescribeConfigs(handle, &one, 1, nullptr, queue.get());
  const KafkaEvent event(rd_kafka_queue_poll(queue.get(), kDryRunMs));
  const rd_kafka_DescribeConfigs_result_t* const result =
      event ? rd_kafka_event_DescribeConfigs_result(event.get()) : nullptr;
  std::size_t resources = 0;
  const rd_kafka_ConfigResource_t** const of =
      result == nullptr ? nullptr : rd_kafka_DescribeConfigs_result_resources(result, &resources);
  for (std::size_t i = 0; i < resources; ++i) {
    std::size_t entries = 0;
    const rd_kafka_ConfigEntry_t** const entry = rd_kafka_ConfigResource_configs(of[i], &entries);
    for (std::size_t n = 0; n < entries; ++n) {
      const char* const value = rd_kafka_ConfigEntry_value(entry[n]);
      if (std::string_view(rd_kafka_ConfigEntry_name(entry[n])) == "auto.create.topics.enable" &&
          value != nullptr) {
        return std::string_view(value) == "true";
      }
    }
  }
  return std::nullopt;
}

KafkaQueries::KafkaQueries(KafkaClient& client)
    : client_(client), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Status KafkaQueries::start() {
  if (!wake_) {
    return system_error("cannot make an eventfd", errno);
  }
  Result<std::thread> thread = start_thread([this] { work(); });
  if (!thread) {
    return thread.error();
  }
  thread_ = std::move(*thread);
  return {};
}

KafkaQueries::~KafkaQueries() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void KafkaQueries::ask(KafkaQuestion question) {
  is_busy_ = true;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    question_ = std::move(question);
    trouble_.clear();
  }
  changed_.notify_all();
}

std::optional<KafkaAnswer> KafkaQueries::take() {
  eventfd_t count = 0;
  (void)eventfd_read(wake_.get(), &count);
  const std::lock_guard<std::mutex> lock(mutex_);
  std::optional<KafkaAnswer> answer = std::exchange(answer_, std::nullopt);
  is_busy_ = is_busy_ && !answer;
  return answer;
}

std::string KafkaQueries::trouble() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trouble_;
}

void KafkaQueries::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  int limit_ms = kFirstAttemptMs;
  for (;;) {
    changed_.wait(lock, [this] { return is_over_ || question_; });
    if (is_over_) {
      return;
    }
    const KafkaQuestion question = *question_;
    lock.unlock();
    Result<KafkaAnswer> answer = ask_once(client_.handle(), question, limit_ms);
    lock.lock();
    if (!answer && answer.error().kind == ErrorClass::unavailable) {
      trouble_ = answer.error().message;
      limit_ms = std::min(2 * limit_ms, kLastAttemptMs);
      changed_.wait_for(lock, kPause, [this] { return is_over_; });
      continue;
    }
    limit_ms = kFirstAttemptMs;
    question_.reset();
    trouble_.clear();
    answer_.emplace();
    if (answer) {
      *answer_ = std::move(*answer);
    } else {
      answer_->refused = answer.error();
    }
    (void)eventfd_write(wake_.get(), 1);
  }
}

}  // namespace fl
