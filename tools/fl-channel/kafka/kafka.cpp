// A topic of Kafka between stages: Flume's Kafka channel.
#include <memory>

#include "common/component/component_type.h"
#include "tools/fl-channel/kafka/options.h"
#include "tools/fl-channel/kafka/put.h"
#include "tools/fl-channel/kafka/take.h"

namespace fl {

ComponentType kafka_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "kafka";
  type.class_names = {"org.apache.flume.channel.kafka.KafkaChannel"};
  type.sought_as = {"topic"};
  type.summary = "keep events in a topic of Kafka";
  type.description =
      "Puts events into a topic of Kafka, and passes them on from there. They survive the end of "
      "this process, of its host, and a destination that is away for as long as the topic keeps "
      "records.\n\n"
      "Without --put and --take it does both: when the input is over, it passes on everything that "
      "is in its partitions at that moment, and ends when that is acknowledged. With --put it only "
      "writes, with --take it only reads; the two run as processes of their own, on any hosts, "
      "also several of each, and can be started and stopped in any order. Each group of takers "
      "(--group) gets every event, and the members of a group share the partitions of the "
      "topic.\n\n"
      "An event comes out with the headers that went in. Flume's Kafka channel may put into the "
      "same topic or take from it, and Flume's Kafka source and sink with useFlumeEventFormat. "
      "With --parse-as-flume-event=false the topic holds bodies, for programs that know nothing of "
      "Flume. Events with the same key stay in their order; the topic's partitions are taken side "
      "by side.\n\n"
      "The status line says how many records are behind, and which partitions are the furthest.\n\n"
      "While brokers are away, events wait and reading stops when buffer.memory (32 MiB) is full; "
      "--give-up-after bounds that. Logins, certificates and what a broker refuses are as in "
      "fl-sink-kafka(1) and fl-source-kafka(1): what must be set for both halves goes with -X, "
      "for example -X security.protocol=SSL.";
  type.delivery =
      "An event is acknowledged to the source when all in-sync replicas of its partition have it. "
      "Offsets of the group are committed as the next stage acknowledges, so after a kill events "
      "that were not acknowledged or not committed are passed on again: at least once. When the "
      "group takes a partition away, its events in flight get up to 5 seconds to be acknowledged.";
  type.examples = {
      {"fl-channel kafka hop --bootstrap-server b1:9092,b2:9092 --put --dry-run < /dev/null "
       "|| test $? = 69",
       "Checks options, brokers, login and the topic of the half that puts."},
      {"fl-channel kafka hop --bootstrap-server b1:9092 --take --dry-run || test $? = 69",
       "Checks the options, brokers and login of the half that takes."},
  };
  type.options = kafka_channel_options();
  type.channel = [](const std::shared_ptr<void>& given) {
    const auto& options = *std::static_pointer_cast<KafkaChannelOptions>(given);
    Channel channel;
    // Both options together are both halves, as neither.
    const bool both = options.put == options.take;
    if (both || options.put) {
      channel.put = std::make_unique<KafkaPut>(options);
    }
    if (both || options.take) {
      channel.take = std::make_unique<KafkaTake>(options);
    }
    return channel;
  };
  return type;
}

}  // namespace fl
