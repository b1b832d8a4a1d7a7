// Questions to the brokers whose answers the library only waits for: on a thread of their own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/kafka/client.h"

namespace fl {

struct KafkaPartition {
  std::string topic;
  std::int32_t number = 0;

  friend auto operator<=>(const KafkaPartition&, const KafkaPartition&) = default;
  /// "trades [2]"
  std::string name() const;
};

struct KafkaQuestion {
  /// The partitions of these topics ...
  std::vector<std::string> topics;
  /// ... or the places in these partitions.
  std::vector<KafkaPartition> partitions;
  bool wants_committed = false;
  std::optional<std::int64_t> time;  ///< wants the offset at this time, too
};

struct KafkaAnswer {
  struct Offsets {
    KafkaPartition partition;
    std::int64_t low = -1;
    std::int64_t high = -1;       ///< of what may be read
    std::int64_t at_time = -1;    ///< -1: no record is that recent
    std::int64_t committed = -1;  ///< -1: none
  };
  std::vector<Offsets> places;  ///< of a question for topics only the partitions
  /// What asking again does not change: no such topic, no permission.
  std::optional<Error> refused;
};

/// One question at a time; it is asked again until there is an answer. The client outlives this.
class KafkaQueries {
 public:
  explicit KafkaQueries(KafkaClient& client);
  /// Starts the thread; before the first question.
  Status start();
  /// Waits for the call in progress: seconds where brokers are away.
  ~KafkaQueries();

  /// Not while is_busy().
  void ask(KafkaQuestion question);
  bool is_busy() const { return is_busy_; }
  /// Readable when there is an answer.
  int fd() const { return wake_.get(); }
  /// The answer, once.
  std::optional<KafkaAnswer> take();
  /// Why there is no answer yet; empty: no reason is known.
  std::string trouble() const;

  /// The same without a thread, one attempt of at most `ms`. A question for nothing asks whether a
  /// broker answers. Errors: class unavailable.
  static Result<KafkaAnswer> ask_once(rd_kafka_t* handle, const KafkaQuestion& question, int ms);
  /// The same for --dry-run: the error is what prevents an answer, as far as the client knows.
  static Result<KafkaAnswer> ask_dry(KafkaClient& client, const KafkaQuestion& question);
  /// Whether brokers create missing topics; nothing: they do not say.
  static std::optional<bool> makes_topics(rd_kafka_t* handle);

 private:
  void work();

  KafkaClient& client_;
  UniqueFd wake_;
  bool is_busy_ = false;  // of the loop's thread

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;
  std::optional<KafkaQuestion> question_;
  std::optional<KafkaAnswer> answer_;
  std::string trouble_;

  std::thread thread_;
};

}  // namespace fl
