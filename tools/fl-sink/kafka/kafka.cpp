// The declaration of the kafka sink: its options and what its page says.
#include <vector>

#include "common/component/component_type.h"
#include "common/kafka/sink.h"
#include "common/kafka/sink_options.h"

namespace fl {
namespace {

using O = KafkaSinkOptions;

OptionSet options() {
  OptionTable<O> table;
  // Before the new names, which win where both are given.
  table.add("topic", &O::topic, "TOPIC", "What kafka.topic was called before Flume 1.7.")
      .flume("default-flume-topic")
      .flume_only();
  table
      .add("brokerList", static_cast<std::string O::*>(&O::servers), "HOST:PORT,...",
           "What kafka.bootstrap.servers was called before Flume 1.7.")
      .flume_only();
  table
      .add("kafka.topic", &O::topic, "TOPIC",
           "The topic to write to; %{header} and the times of fl-sink-hdfs(1) are replaced.")
      .positional()
      .not_empty();
  add_kafka_options(table, KafkaRole::producer);
  table.add("keyHeader", &O::key_header, "HEADER",
            "The header that is the key of the message; an event without it has no key.");
  table.add("partitionIdHeader", &O::partition_id_header, "HEADER",
            "The header that is the number of the partition, if an event has it.");
  table.add("defaultPartitionId", &O::default_partition_id, "N",
            "The partition of all other events; -1: the key decides, or chance.");
  table
      .add("allowTopicOverride", &O::allow_topic_override, "BOOL",
           "An event that has the header of --topic-header goes to the topic named there. (Events "
           "of fl-source kafka have it: they would go back to the topic they came from.)")
      .flume("true");
  table.add("topicHeader", &O::topic_header, "HEADER", "See --allow-topic-override.");
  table.add("timestampHeader", &O::timestamp_header, "HEADER",
            "The header that is the time of the message, in milliseconds; without it that is when "
            "it is sent.");
  table.add(
      "useFlumeEventFormat", &O::use_flume_event_format, "BOOL",
      "The value is a whole event with its headers, in Avro, as Flume's Kafka source, sink and "
      "channel have it. Otherwise it is the body.");
  table
      .add("headers", &O::headers, "none|all",
           "all: each header of an event is a header of the message.")
      .choices({"none", "all"});
  table.add_prefix("header", &O::header,
                   "This header of an event becomes the header VALUE of the message.");
  table.add("flumeBatchSize", &O::batch_size, "N", "")
      .ignored("events are taken as they come; linger.ms and batch.size are the producer's");
  table.add("batchSize", &O::old_batch_size, "N", "")
      .ignored("events are taken as they come; linger.ms and batch.size are the producer's");
  table.add("requiredAcks", &O::required_acks, "N", "")
      .ignored("an event is acknowledged when all in-sync replicas have it");
  OptionSet set = std::move(table).erased();
  // Names of headers are not secrets.
  std::erase_if(set.options, [](const OptionSpec& spec) {
    return spec.name == "header-env" || spec.name == "header-file";
  });
  return set;
}

}  // namespace

ComponentType kafka_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "kafka";
  type.class_names = {"org.apache.flume.sink.kafka.KafkaSink"};
  type.summary = "to a topic of Kafka";
  type.description =
      "Publishes events: the body is the value of a message, the header 'key' its key. Messages "
      "with the same key go to the partition that Java's producer chooses for it, and keep their "
      "order; those without a key go anywhere.\n\n"
      "While brokers are away, events wait and are sent again until they arrive, without "
      "duplicates (the producer is idempotent); --give-up-after bounds that, and --grace once the "
      "input is over. Up to buffer.memory of them (32 MiB) wait in memory; then reading stops. "
      "What is wrong is logged once and then at growing intervals. A password or certificate that "
      "is refused at the start ends the stage (77).\n\n"
      "An event that can never be stored, since it is too large, names a topic or partition that "
      "does not exist, or is refused by the broker, ends the stage (65) unless --reject takes it. "
      "If TOPIC itself is missing, and brokers do not make topics by themselves, the stage ends "
      "after 5 seconds (78).\n\n"
      "--dry-run asks the brokers, too: it ends with 69 if none answers, 77 if the login or the "
      "topic is refused, and 78 if TOPIC does not exist and brokers do not make it. Only a real "
      "run shows whether the user may write to the topic.\n\n" +
      kafka_login_text(KafkaRole::producer);
  type.delivery =
      "An event is acknowledged when all in-sync replicas of its partition have it, and all "
      "events before it are acknowledged: a partition without a leader holds back the others. A "
      "stage that was killed sends again what was not acknowledged: at least once.";
  type.examples = {
      {"tail -F trades.log | fl-sink kafka trades --bootstrap-server broker:9092",
       "Publishes what is added to a log."},
      {"fl-sink kafka trades --bootstrap-server localhost:9092 --producer compression.type=lz4 "
       "--dry-run < /dev/null || test $? = 69",
       "Checks the options (with compression), the brokers, the login and the topic."},
      {"fl-sink kafka 'logs-%{host}' --bootstrap-server b1:9092,b2:9092 --headers all --dry-run < "
       "/dev/null || test $? = 69",
       "The same with a topic for each host; no topic is checked, since only events name it."},
  };
  type.options = options();
  type.sink = factory<Sink, KafkaSink, KafkaSinkOptions>();
  return type;
}

}  // namespace fl
