#include "common/kafka/partitioner.h"

#include <unistd.h>

#include <atomic>

namespace fl {
namespace {

// Of the process, since the library's threads may ask after the sink has gone.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<std::uint32_t> turn = 0;

struct Choice {
  const rd_kafka_topic_t* topic = nullptr;
  std::uint32_t turn = 0;
  std::int32_t count = 0;
  std::int32_t partition = 0;
};

// The one of this turn, or the first after it that has a leader.
std::int32_t choose(const rd_kafka_topic_t* topic, std::uint32_t now, std::int32_t count) {
  const auto first = static_cast<std::int32_t>(now % static_cast<std::uint32_t>(count));
  for (std::int32_t i = 0; i < count; ++i) {
    const std::int32_t partition = (first + i) % count;
    if (rd_kafka_topic_partition_available(topic, partition) != 0) {
      return partition;
    }
  }
  return first;
}

std::int32_t partition_of(const rd_kafka_topic_t* topic, const void* key, std::size_t key_size,
                          std::int32_t count, void* of_topic, void* of_message) {
  if (key != nullptr) {
    return rd_kafka_msg_partitioner_murmur2_random(topic, key, key_size, count, of_topic,
                                                   of_message);
  }
  // Messages that come before the partitions are known are asked for on a thread of the library.
  thread_local Choice last;
  const std::uint32_t now = turn.load(std::memory_order_relaxed);
  if (last.topic != topic || last.turn != now || last.count != count) {
    last = {topic, now, count, choose(topic, now, count)};
  }
  return last.partition;
}

}  // namespace

void set_partitioner(rd_kafka_topic_conf_t* conf) {
  rd_kafka_topic_conf_set_partitioner_cb(conf, partition_of);
}

void next_partition_turn(std::int64_t now_ms, std::int64_t turn_ms) {
  // Processes that send little begin with different partitions.
  static const auto own = static_cast<std::uint32_t>(::getpid());
  static std::uint32_t turns = 0;
  static std::int64_t begun_ms = 0;
  if (turns == 0 || now_ms - begun_ms >= turn_ms) {
    begun_ms = now_ms;
    turn.store(own + ++turns, std::memory_order_relaxed);
  }
}

}  // namespace fl
