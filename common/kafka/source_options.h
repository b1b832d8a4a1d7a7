// What a user sets of the kafka source.
#pragma once

#include <string>
#include <vector>

#include "common/base/units.h"
#include "common/kafka/settings.h"
#include "common/option/secret.h"

namespace fl {

struct KafkaSourceOptions : KafkaProperties {
  std::vector<std::string> topics;
  std::string topics_regex;
  std::string group;
  std::string from = "earliest";
  std::vector<std::string> partitions;
  std::string offset;
  bool once = false;
  Duration commit_interval{500};

  bool set_topic_header = true;
  std::string topic_header = "topic";
  std::string record_headers = "all";
  PropertyMap headers;
  bool use_flume_event_format = false;
  std::string tombstones = "event";
  std::string undecodable = "reject";
  std::string registry_prefix = "keep";

  // Set differently by a channel, which passes events on as they were put.
  bool sets_place = true;
  std::string key_header = "key";
  std::string raw_option = "--use-flume-event-format=false";

  std::string batch_size;
  std::string batch_duration;
  std::string migrate;
  std::string zookeeper;
  std::string backoff;
};

}  // namespace fl
