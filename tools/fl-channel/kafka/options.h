// The options of fl-channel kafka.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/units.h"
#include "common/kafka/sink_options.h"
#include "common/kafka/source_options.h"
#include "common/option/option_table.h"

namespace fl {

struct KafkaChannelOptions {
  bool put = false;
  bool take = false;
  std::string servers;
  std::string topic;
  PropertyMap producer;
  PropertyMap consumer;
  PropertyMap library;

  bool parse_as_flume_event = true;
  std::string key_header = "key";
  std::string partition_id_header;
  std::int64_t default_partition_id = -1;
  std::string headers = "none";

  std::string group = "flume";
  std::string from = "earliest";
  bool once = false;
  Duration commit_interval{500};
  std::string tombstones = "event";
  std::string undecodable = "reject";

  // Flume's, without effect here.
  std::string poll_timeout;
  std::string migrate;
  std::string zookeeper;
  std::string read_smallest;
};

OptionSet kafka_channel_options();

/// The topic is given, and is a valid name. Errors: class usage.
Status check_topic(const KafkaChannelOptions& options);

/// What the two halves are made of.
KafkaSinkOptions put_options(const KafkaChannelOptions& options);
KafkaSourceOptions take_options(const KafkaChannelOptions& options);

}  // namespace fl
