#include "tools/fl-channel/kafka/options.h"

#include <fmt/format.h>

#include <utility>

#include "common/base/log.h"

namespace fl {
namespace {

using O = KafkaChannelOptions;

constexpr const char* kCall = "fl-channel kafka events --bootstrap-server broker:9092";

void add_place(OptionTable<O>& table) {
  // Before the new names, which win where both are given.
  table.add("topic", &O::topic, "TOPIC", "What kafka.topic was called before Flume 1.7.")
      .flume("flume-channel")
      .flume_only();
  table
      .add("brokerList", &O::servers, "HOST:PORT,...",
           "What kafka.bootstrap.servers was called before Flume 1.7.")
      .flume_only();
  table
      .add("groupId", &O::group, "GROUP",
           "What kafka.consumer.group.id was called before Flume 1.7.")
      .flume_only();
  table
      .add("kafka.topic", &O::topic, "TOPIC",
           "The topic that holds the events. fl does not create it.")
      .positional()
      .not_empty();
  table.add("put", &O::put, "BOOL", "Only put events into the topic; write no stream.").cli_only();
  table.add("take", &O::take, "BOOL", "Only take events from the topic; read no input.").cli_only();
  table
      .add("kafka.bootstrap.servers", &O::servers, "HOST:PORT,...",
           "Brokers to ask first; they name the others.")
      .alias("bootstrap-server")
      .not_empty();
  table.add_prefix("kafka.producer", &O::producer,
                   "A property of Java's producer or of librdkafka, for the half that puts.");
  table.add_prefix("kafka.consumer", &O::consumer,
                   "A property of Java's consumer or of librdkafka, for the half that takes.");
  table.add_prefix("librdkafka", &O::library,
                   "A property of librdkafka for both halves, passed on as it is.", "X");
}

void add_put(OptionTable<O>& table) {
  table.add("parseAsFlumeEvent", &O::parse_as_flume_event, "BOOL",
            "The value of a record is a whole event with its headers, in Avro, as Flume's Kafka "
            "channel, source and sink have it. false: it is the body, and headers are lost but for "
            "the key and those of --headers.");
  table.add("keyHeader", &O::key_header, "HEADER",
            "The header that becomes the key of the record; the half that takes sets it from the "
            "key again. An event without it has no key.");
  table.add("partitionIdHeader", &O::partition_id_header, "HEADER",
            "The header that is the number of the partition, if an event has it.");
  table.add("defaultPartitionId", &O::default_partition_id, "N",
            "The partition of all other events; -1: the key decides, or chance.");
  table
      .add("headers", &O::headers, "none|all",
           "all: headers of an event are headers of its record, too, and become headers again.")
      .choices({"none", "all"})
      .cli_only();
}

void add_take(OptionTable<O>& table) {
  table
      .add("kafka.consumer.group.id", &O::group, "GROUP",
           "The group that takes. Each group gets every event; its members share the partitions. "
           "The consumer's group.id means the same.")
      .named("group")
      .not_empty();
  table
      .add("from", &O::from, "PLACE",
           "Where a group without an offset in a partition begins: earliest, latest, -N (its last "
           "N records), a time such as 2026-01-31T12:30:00Z, or milliseconds since 1970. The "
           "consumer's auto.offset.reset means the same.")
      .cli_only();
  table
      .add("once", &O::once, "BOOL",
           "With --take: end when everything is delivered that was in the topic at the start, "
           "instead of waiting for more.")
      .cli_only();
  table
      .add("commitInterval", &O::commit_interval, "TIME",
           "How often offsets of acknowledged events are committed.")
      .cli_only();
  table
      .add("tombstones", &O::tombstones, "event|skip|reject",
           "A record without a value. event: an event with an empty body and the header "
           "tombstone=true; skip: it is left out and counted; reject: it goes to --reject.")
      .choices({"event", "skip", "reject"})
      .cli_only();
  table
      .add(
          "undecodable", &O::undecodable, "reject|skip",
          "A record that is not an event in Avro, or is larger than the limits. reject: it goes to "
          "--reject, or ends the stage with 65; skip: it is left out, counted and reported.")
      .choices({"reject", "skip"})
      .flume("skip");
  table.add("kafka.pollTimeout", &O::poll_timeout, "MS", "")
      .ignored("records are handed on as they come");
  table.add("migrateZookeeperOffsets", &O::migrate, "true|false", "")
      .ignored("offsets have been in Kafka itself since 0.9");
  table.add("zookeeperConnect", &O::zookeeper, "HOST:PORT,...", "")
      .ignored("brokers are found by kafka.bootstrap.servers");
  table.add("readSmallestOffset", &O::read_smallest, "true|false", "")
      .ignored("kafka.consumer.auto.offset.reset says where a new group begins");
}

}  // namespace

OptionSet kafka_channel_options() {
  OptionTable<O> table;
  add_place(table);
  add_put(table);
  add_take(table);
  return std::move(table).erased();
}

Status check_topic(const KafkaChannelOptions& options) {
  if (options.topic.empty()) {
    return Error{ErrorClass::usage, "TOPIC is missing",
                 std::string("name the topic that holds the events, for example: ") + kCall};
  }
  if (const auto fault = topic_name_fault(options.topic)) {
    return Error{ErrorClass::usage,
                 fmt::format("'{}' is not the name of a topic: {}",
                             printable(options.topic.substr(0, 80)), *fault),
                 {}};
  }
  return {};
}

KafkaSinkOptions put_options(const KafkaChannelOptions& options) {
  KafkaSinkOptions out;
  out.servers = options.servers;
  out.java = options.producer;
  out.library = options.library;
  out.call = kCall;
  out.topic = options.topic;
  out.key_header = options.key_header;
  out.partition_id_header = options.partition_id_header;
  out.default_partition_id = options.default_partition_id;
  out.use_flume_event_format = options.parse_as_flume_event;
  out.headers = options.headers;
  return out;
}

KafkaSourceOptions take_options(const KafkaChannelOptions& options) {
  KafkaSourceOptions out;
  out.servers = options.servers;
  out.java = options.consumer;
  out.library = options.library;
  out.call = kCall;
  out.topics = {options.topic};
  out.group = options.group;
  out.from = options.from;
  // In one process with the half that puts, the end of the input decides.
  out.once = options.once && options.take && !options.put;
  out.commit_interval = options.commit_interval;
  out.set_topic_header = false;
  out.record_headers = options.headers == "all" ? "all" : "mapped";
  out.use_flume_event_format = options.parse_as_flume_event;
  out.tombstones = options.tombstones;
  out.undecodable = options.undecodable;
  out.sets_place = false;
  out.key_header = options.key_header;
  out.raw_option = "--parse-as-flume-event=false";
  return out;
}

}  // namespace fl
