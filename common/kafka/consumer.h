// The consuming side of a client: records apart from everything else, in a group or without one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "common/kafka/client.h"
#include "common/kafka/fetch_nudge.h"
#include "common/kafka/queries.h"

namespace fl {

struct KafkaMessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, KafkaMessageDeleter>;

struct KafkaOffset {
  KafkaPartition partition;
  std::int64_t offset = 0;
};

/// Records of all partitions meet in a queue of their own. So the group can be served whether
/// records are taken or not; when that queue is full (queued.max.messages.kbytes), the library
/// fetches no more, and nothing that was fetched is thrown away.
///
/// Records are taken from that queue several at a time. What was fetched of a partition before it
/// is restarted or given up must not come after that: the library ensures this in its queue, and
/// what was taken already is dropped here.
class KafkaConsumer {
 public:
  struct Change {
    bool is_gain = false;  ///< partitions come; else they go
    bool is_lost = false;  ///< they are gone already: another member may have them
    std::vector<KafkaPartition> partitions;
  };
  struct Commit {
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    std::vector<KafkaOffset> offsets;  ///< those that were committed
  };

  /// With a group.id among the settings it is a member of the group.
  static Result<std::unique_ptr<KafkaConsumer>> make(const KafkaSettings& settings);
  ~KafkaConsumer();

  KafkaClient& client() { return *client_; }
  const KafkaClient& client() const { return *client_; }
  bool is_in_group() const { return is_in_group_; }
  /// max.poll.interval.ms, as the library has it.
  std::int64_t poll_interval_ms() const;

  /// Joins the group. A name that begins with ^ is a pattern.
  Status subscribe(const std::vector<std::string>& topics);
  /// What has happened since the last call. Has to be called often enough: max.poll.interval.ms.
  bool next(std::optional<Change>& change, std::optional<Commit>& commit);
  /// The answer to a gain; with or without a group, records come from these offsets on.
  Status take(const std::vector<KafkaOffset>& places);
  /// The answer to a loss. Records that have come stay in the queue.
  Status give_up(const std::vector<KafkaPartition>& partitions);
  /// Begins again at other offsets, in partitions that it has; `all`: the places in all of them.
  Status restart(const std::vector<KafkaOffset>& places, const std::vector<KafkaOffset>& all);
  /// Fetches no more of it.
  void pause(const KafkaPartition& partition);
  /// next() gives the result.
  Status commit(const std::vector<KafkaOffset>& offsets);
  /// The end of the partition as far as it is known; -1: unknown.
  std::int64_t end_of(const KafkaPartition& partition) const;

  /// Readable when records have come to an empty queue, until clear_records().
  int records_fd() const { return wake_.get(); }
  void clear_records();
  /// The next record, or a message with an error; null: there is none now.
  KafkaMessage record();

  /// Leaves the group, unless it is a static member. Takes as long as `until_ms` (monotonic). After
  /// that only the destructor may be called. Both may be called on another thread, and have to be
  /// where they must not block: the library may never answer a member that has left.
  void close(std::int64_t until_ms);

 private:
  KafkaConsumer() = default;
  void forward(const KafkaPartition& partition);
  void drop_taken(const KafkaPartition& partition);
  void drop_taken();
  Status start(const KafkaOffset& place);
  rd_kafka_topic_t* topic(const std::string& name);

  struct TopicDeleter {
    void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
  };

  bool is_in_group_ = false;
  bool is_closed_ = false;
  bool was_assigned_ = false;    // the group has given it partitions, perhaps none
  bool is_cooperative_ = false;  // the members share partitions out that way
  UniqueFd wake_;
  std::unique_ptr<KafkaClient> client_;
  KafkaQueue records_;
  std::vector<rd_kafka_message_t*> taken_;  // of records_, and not handed out; ours
  std::size_t at_ = 0;                      // the first of them
  std::optional<FetchNudge> nudge_;
  std::map<std::string, std::unique_ptr<rd_kafka_topic_t, TopicDeleter>> topics_;
  std::vector<KafkaPartition> started_;  // without a group
};

}  // namespace fl
