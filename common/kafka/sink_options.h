// What a user sets of the kafka sink.
#pragma once

#include <cstdint>
#include <string>

#include "common/kafka/options.h"

namespace fl {

struct KafkaSinkOptions : KafkaProperties {
  std::string topic;
  bool allow_topic_override = false;
  std::string topic_header = "topic";
  std::string key_header = "key";
  std::string partition_id_header;
  std::int64_t default_partition_id = -1;
  std::string timestamp_header;
  bool use_flume_event_format = false;
  std::string headers = "none";
  PropertyMap header;
  std::string batch_size;
  std::string old_batch_size;
  std::string required_acks;
};

}  // namespace fl
