// The partitions of messages: with a key the one that Java would choose, without a key any.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>

namespace fl {

/// Messages without a key go to one partition for a turn, then to the next one whose leader is
/// known: few partitions at a time make large batches. The library does much the same, but it reads
/// its clock and looks for the leader with every message, which is a fifth of the time that a
/// message takes here. Its own sticky.partitioning.linger.ms has to be 0, or it asks nobody.
///
/// All topics of the process share the turn.
void set_partitioner(rd_kafka_topic_conf_t* conf);

/// Begins the next turn if the last one began `turn_ms` ago; not on several threads at once.
void next_partition_turn(std::int64_t now_ms, std::int64_t turn_ms);

}  // namespace fl
