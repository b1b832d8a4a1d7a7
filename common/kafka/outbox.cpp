#include "common/kafka/outbox.h"

namespace fl {

void Outbox::add(rd_kafka_topic_t* topic, std::int32_t partition, std::string_view value,
                 std::optional<std::string_view> key, void* tag) {
  topic_ = topic;
  partition_ = partition;
  rd_kafka_message_t& message = messages_.emplace_back();
  // The library only reads them, though it takes pointers to non-const.
  message.payload = const_cast<char*>(value.data());
  message.len = value.size();
  if (key) {
    // An empty key counts as a key unless its address is null.
    message.key = const_cast<char*>(key->empty() ? "" : key->data());
    message.key_len = key->size();
  }
  message._private = tag;
}

const std::vector<rd_kafka_message_t>& Outbox::hand_over() {
  if (!messages_.empty()) {
    (void)rd_kafka_produce_batch(topic_, partition_, 0, messages_.data(),
                                 static_cast<int>(messages_.size()));
  }
  return messages_;
}

}  // namespace fl
