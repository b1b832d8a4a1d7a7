// Messages that the library gets many at a time: it then takes its locks and reads its clocks once.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace fl {

/// The messages of one partition, or of one topic whose partitions are still to be chosen, with
/// nothing but keys and values, in their order. The bytes are the user's, and stay until they are
/// delivered.
class Outbox {
 public:
  /// Whether a message may go with those that are in it. Several partitions in one call would cost
  /// memory: librdkafka 2.0 forgets a message whose partition does not exist.
  bool fits(const rd_kafka_topic_t* topic, std::int32_t partition) const {
    return messages_.empty() ||
           (topic == topic_ && partition == partition_ && messages_.size() < kMost);
  }
  rd_kafka_topic_t* topic() const { return topic_; }
  std::int32_t partition() const { return partition_; }
  /// A message that fits. `tag`: for its delivery report.
  void add(rd_kafka_topic_t* topic, std::int32_t partition, std::string_view value,
           std::optional<std::string_view> key, void* tag);
  /// Hands all over. The messages, with the error of each that the library has refused; until
  /// clear().
  const std::vector<rd_kafka_message_t>& hand_over();
  void clear() { messages_.clear(); }

 private:
  static constexpr std::size_t kMost = 512;

  rd_kafka_topic_t* topic_ = nullptr;
  std::int32_t partition_ = RD_KAFKA_PARTITION_UA;
  std::vector<rd_kafka_message_t> messages_;
};

}  // namespace fl
