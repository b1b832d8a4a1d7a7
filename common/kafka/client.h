// A client of librdkafka within the loop of a stage: its threads are the library's, it reports by
// events, and a descriptor shows when.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/poll_set.h"
#include "common/kafka/problem.h"
#include "common/kafka/settings.h"

namespace fl {

struct KafkaEventDeleter {
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, KafkaEventDeleter>;

struct KafkaQueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaQueueDeleter>;

struct KafkaPartitionsDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
using KafkaPartitions = std::unique_ptr<rd_kafka_topic_partition_list_t, KafkaPartitionsDeleter>;

/// Owns the handle, its queue and an eventfd. Log lines and errors of the library are taken here:
/// lines go to the log (at a bounded rate), errors are remembered as the problem there is now.
/// Everything else comes out of next().
///
/// A consumer's queue is that of the group: records, rebalances and commits arrive there with the
/// rest.
class KafkaClient {
 public:
  /// `events`: RD_KAFKA_EVENT_* that next() is to give. Connects to nothing yet. The notes of the
  /// settings are logged. Errors: class config.
  static Result<std::unique_ptr<KafkaClient>> make(const KafkaSettings& settings, int events);
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  rd_kafka_t* handle() const { return handle_; }
  rd_kafka_queue_t* queue() const { return queue_.get(); }
  /// The brokers that the user named.
  const std::string& servers() const { return servers_; }

  /// Readable when the queue has got something since clear().
  int fd() const { return wake_.get(); }
  void watch(PollSet& set) const { set.add(wake_.get(), POLLIN); }
  /// Before the queue is emptied.
  void clear();
  /// The next event that is not a log line or an error; null: the queue is empty.
  KafkaEvent next();
  /// Takes an event from elsewhere (a further queue): true if it was a log line or an error.
  bool take(rd_kafka_event_t* event);

  /// What is wrong since the last works(), the latest of the worst kind; an error of kind refused
  /// names what to do.
  const std::optional<KafkaProblem>& problem() const { return problem_; }
  /// A broker has answered as it should.
  void works();
  /// It never has: a password that is refused now has never been right.
  bool has_worked() const { return has_worked_; }
  std::uint64_t errors() const { return errors_; }

  static constexpr std::int64_t kCloseMs = 5000;
  /// Ends the handle: what is in its queues is lost. Takes up to a few ms with threads to join. If
  /// the library does not return (2.0 to 2.3 may wait forever for a broker that was away), the
  /// handle is abandoned after `ms`. False: it is abandoned, and its threads may still read what it
  /// was given.
  bool close(std::int64_t ms = kCloseMs);
  /// Until the process ends the handle stays, and so do its threads: close() does nothing more. For
  /// what the library cannot end.
  void abandon();

 private:
  struct Facility;

  KafkaClient();
  void take_log(rd_kafka_event_t* event);
  void take_error(rd_kafka_event_t* event);

  std::string servers_;
  bool is_scram_ = false;
  bool is_abandoned_ = false;
  UniqueFd wake_;
  rd_kafka_t* handle_ = nullptr;
  KafkaQueue queue_;
  std::optional<KafkaProblem> problem_;
  bool has_worked_ = false;
  std::uint64_t errors_ = 0;
  std::map<std::string, std::unique_ptr<Facility>, std::less<>> facilities_;
};

}  // namespace fl
