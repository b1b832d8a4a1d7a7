// Makes librdkafka fetch again as soon as there is room for it.
#pragma once

#include <librdkafka/rdkafka.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "common/kafka/queries.h"

namespace fl {

/// Before version 2.2 the library looks once a second whether a full queue of records has room,
/// however fast it is emptied; so no more than one queue a second would be read. Its threads look
/// when there is something to do for them, too: a question to the leaders of the partitions, for
/// their ends, which is asked on a thread of its own each time that half a queue has been taken.
/// Later versions have fetch.queue.backoff.ms, and this does nothing.
class FetchNudge {
 public:
  /// `queue_bytes`: what the queue of records holds. The handle outlives this.
  FetchNudge(rd_kafka_t* handle, std::uint64_t queue_bytes);
  /// Starts the thread, where one is needed.
  Status start();
  /// Waits for the question that is open, half a second at most.
  ~FetchNudge();
  FetchNudge(const FetchNudge&) = delete;
  FetchNudge& operator=(const FetchNudge&) = delete;

  static bool is_needed() { return rd_kafka_version() < 0x020200ff; }
  /// A record has been taken from the queue.
  void taken(const rd_kafka_message_t& message);

 private:
  void work();
  void ask(const KafkaPartition& partition) const;

  rd_kafka_t* const handle_;
  const std::uint64_t every_bytes_;
  std::uint64_t bytes_ = 0;  // since the last question

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::optional<KafkaPartition> partition_;  // of a record, for a client without a group

  std::thread thread_;
};

}  // namespace fl
