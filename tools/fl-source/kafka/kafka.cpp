// Records of Kafka's topics.
#include "common/component/component_type.h"
#include "common/kafka/options.h"
#include "common/kafka/source.h"

namespace fl {
namespace {

using Options = KafkaSourceOptions;

void add_places(OptionTable<Options>& table) {
  // Before the new names: of two groups the new name's counts.
  table.add("topic", &Options::topics, "TOPIC", "What kafka.topics was called before Flume 1.7.")
      .flume_only();
  table
      .add("groupId", &Options::group, "GROUP",
           "What kafka.consumer.group.id was called before Flume 1.7.")
      .flume("flume")
      .flume_only();
  table.add("kafka.topics", &Options::topics, "TOPIC", "Topics to read.").positional();
  table
      .add(
          "kafka.topics.regex", &Options::topics_regex, "REGEX",
          "Reads every topic whose whole name matches this extended regular expression, also those "
          "that are made later, instead of TOPIC.")
      .not_empty();
  table
      .add("kafka.consumer.group.id", &Options::group, "GROUP",
           "The group whose offsets say where to continue. Its members share the partitions. "
           "Without a group all partitions are read, and no place is remembered. The consumer's "
           "group.id means the same.")
      .named("group")
      .not_empty();
  table
      .add("from", &Options::from, "PLACE",
           "Where to begin in a partition for which the group has no offset: earliest, latest, -N "
           "(its last N records), a time such as 2026-01-31T12:30:00Z, milliseconds since 1970, "
           "or none, which ends the stage with 78. The consumer's auto.offset.reset means the "
           "same.")
      .flume("latest");
  table
      .add("partition", &Options::partitions, "N",
           "Reads this partition only; may be repeated. Without a group.")
      .cli_only();
  table
      .add("offset", &Options::offset, "N",
           "Begins at this offset; only with exactly one topic and one --partition.")
      .cli_only();
  table
      .add("once", &Options::once, "",
           "Ends with 0 when everything is delivered that was in the partitions at the start.")
      .cli_only();
  table.add("commitInterval", &Options::commit_interval, "TIME",
            "How often offsets of acknowledged events are committed.");
}

void add_events(OptionTable<Options>& table) {
  table.add("setTopicHeader", &Options::set_topic_header, "",
            "Sets a header with the name of the topic.");
  table.add("topicHeader", &Options::topic_header, "NAME", "The name of that header.").not_empty();
  table
      .add("recordHeaders", &Options::record_headers, "all|mapped",
           "Which headers of a record become headers of its event: all, or those of --header.")
      .choices({"all", "mapped"})
      .flume("mapped");
  table.add_prefix("header", &Options::headers,
                   "The header NAME of an event gets the value of this header of the record.");
  table.add("useFlumeEventFormat", &Options::use_flume_event_format, "",
            "Values are Avro-encoded Flume events (AvroFlumeEvent), as Flume's Kafka sink and "
            "channel write them.");
  table
      .add("tombstones", &Options::tombstones, "event|skip|reject",
           "A record without a value. event: an event with an empty body and the header "
           "tombstone=true; skip: it is left out and counted; reject: it goes to --reject.")
      .choices({"event", "skip", "reject"});
  table
      .add("undecodable", &Options::undecodable, "reject|skip",
           "A record that cannot become an event: not of the form that was asked for, or larger "
           "than the limits. reject: it goes to --reject, or ends the stage with 65; skip: it is "
           "left out, counted and reported.")
      .choices({"reject", "skip"})
      .flume("skip");
  table
      .add("registryPrefix", &Options::registry_prefix, "keep|strip|reject",
           "Values that begin with the id of a schema (a byte 0 and 4 bytes), as clients of a "
           "schema registry write them. keep: they stay as they are, which is reported once; "
           "strip: the id becomes the header schema.id; reject: as --undecodable says.")
      .choices({"keep", "strip", "reject"});
  table.add("batchSize", &Options::batch_size, "N", "")
      .ignored("records are handed on as they come");
  table.add("batchDurationMillis", &Options::batch_duration, "TIME", "")
      .ignored("records are handed on as they come");
  table.add("migrateZookeeperOffsets", &Options::migrate, "true|false", "")
      .ignored("offsets have been in Kafka itself since 0.9");
  table.add("zookeeperConnect", &Options::zookeeper, "HOST:PORT,...", "")
      .ignored("brokers are found by kafka.bootstrap.servers");
  table.add("backoffSleepIncrement", &Options::backoff, "MS", "")
      .ignored("it waits until something comes");
  table.add("maxBackoffSleep", &Options::backoff, "MS", "")
      .ignored("it waits until something comes");
}

OptionSet options() {
  OptionTable<Options> table;
  add_places(table);
  add_kafka_options(table, KafkaRole::consumer);
  add_events(table);
  return std::move(table).erased();
}

}  // namespace

ComponentType kafka_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "kafka";
  type.class_names = {"org.apache.flume.source.kafka.KafkaSource"};
  type.sought_as = {"consumer", "topic", "kcat"};
  type.summary = "records of Kafka topics";
  type.description =
      "Reads topics of Kafka. The value of a record is the body of its event; the headers "
      "timestamp (milliseconds since 1970), topic, partition, offset and, if the record has one, "
      "key say where it was. The record's own headers become headers of the event, too: one named "
      "timestamp takes precedence, those named topic, partition, offset and key are dropped.\n\n"
      "With --group this is a member of a consumer group: the members share the partitions and "
      "continue where the group stopped. A new member takes over single partitions while the "
      "others read on (cooperative rebalancing); if other members of the group use a strategy such "
      "as range, give --consumer partition.assignment.strategy=range. With --consumer "
      "group.instance.id=NAME the member is static: after a restart within session.timeout.ms it "
      "has its partitions at once, and the others never notice. Otherwise nobody reads the "
      "partitions of a member that was killed until session.timeout.ms (45 s) is over.\n\n"
      "If the stages after this one are slow, nothing more is fetched, and the member stays in the "
      "group for as long as that takes. Fetched records wait in at most 16 MiB of memory (-X "
      "queued.max.messages.kbytes=16384), and what brokers send at a time is at most 8 MiB (-X "
      "fetch.max.bytes).\n\n"
      "Records of aborted transactions are left out (--consumer isolation.level=read_uncommitted "
      "takes them). What has expired in the topic before it was read is counted and reported. "
      "Events of one partition stay in their order.\n\n"
      "The status line says how many records are behind what the topic holds, and which partitions "
      "are the furthest behind, eight at most; --metrics has all of them (lag_records). While the "
      "stages after this one take nothing, the brokers are asked every 5 seconds.\n\n"
      "While no broker answers, it is tried again: that is reported once, and --give-up-after "
      "bounds it. A password that is refused, or a permission that is missing, ends it with 77; "
      "a topic that does not exist with 78.\n\n" +
      kafka_login_text(KafkaRole::consumer);
  type.delivery =
      "Offsets are committed only as far as events are acknowledged, every --commit-interval, "
      "before partitions go to another member, and at the end. So delivery is at least once: after "
      "a kill, events that were not acknowledged or not committed yet are delivered again. When "
      "the group takes a partition away, its events in flight get up to 5 seconds to be "
      "acknowledged; the others come again from its new owner.\n\n"
      "A sink that gathers events into files acknowledges when a file is complete. Until then "
      "nothing is committed; a restart reads it again.\n\n"
      "On a signal nothing more is handed on. When the rest is acknowledged and committed, this "
      "leaves the group, and the status is 0. If the brokers do not answer then, or answer with "
      "an error, the last commits are retried for 5 seconds; if they still fail, the status is "
      "75. The Kafka library gets 4 more seconds to shut down. A missing permission to commit "
      "ends the stage with 77 at any time.";
  type.examples = {
      {"fl-source kafka trades --bootstrap-server b1:9092 --group hdfs --dry-run || test $? = 69",
       "Checks options, brokers and login."},
  };
  type.options = options();
  type.source = factory<Source, KafkaSource, KafkaSourceOptions>();
  return type;
}

}  // namespace fl
