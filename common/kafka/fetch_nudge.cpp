#include "common/kafka/fetch_nudge.h"

#include <utility>

#include "common/base/start.h"

namespace fl {
namespace {

constexpr int kAnswerMs = 500;
constexpr std::int64_t kEnd = -1;  // as a time in a question for offsets

}  // namespace

FetchNudge::FetchNudge(rd_kafka_t* handle, std::uint64_t queue_bytes)
    : handle_(handle), every_bytes_(queue_bytes / 2) {}

Status FetchNudge::start() {
  if (!is_needed()) {
    return {};
  }
  Result<std::thread> thread = start_thread([this] { work(); });
  if (!thread) {
    return thread.error();
  }
  thread_ = std::move(*thread);
  return {};
}

FetchNudge::~FetchNudge() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void FetchNudge::taken(const rd_kafka_message_t& message) {
  bytes_ += message.len + message.key_len;
  if (bytes_ < every_bytes_ || !thread_.joinable() || message.rkt == nullptr) {
    return;
  }
  bytes_ = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    partition_ = {rd_kafka_topic_name(message.rkt), message.partition};
  }
  changed_.notify_all();
}

void FetchNudge::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_over_ || partition_; });
    if (is_over_) {
      return;
    }
    const KafkaPartition partition = *std::exchange(partition_, std::nullopt);
    lock.unlock();
    ask(partition);
    lock.lock();
  }
}

// The answers are of no interest.
void FetchNudge::ask(const KafkaPartition& partition) const {
  rd_kafka_topic_partition_list_t* assigned = nullptr;
  (void)rd_kafka_assignment(handle_, &assigned);
  const KafkaPartitions list(assigned != nullptr ? assigned : rd_kafka_topic_partition_list_new(1));
  if (list->cnt == 0) {
    rd_kafka_topic_partition_list_add(list.get(), partition.topic.c_str(), partition.number);
  }
  for (int i = 0; i < list->cnt; ++i) {
    list->elems[i].offset = kEnd;
  }
  (void)rd_kafka_offsets_for_times(handle_, list.get(), kAnswerMs);
}

}  // namespace fl
