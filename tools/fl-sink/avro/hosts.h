// Several servers of the avro sink: a group with a sink for each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/option/option_table.h"
#include "tools/fl-sink/avro/sink.h"

namespace fl {

enum class GroupKind { none, failover, balance, both };
GroupKind group_kind(const AvroSinkOptions& options);

/// The servers, each HOST:PORT, as they are written.
std::vector<std::string> hosts_of(const AvroSinkOptions& options);

/// A sink for one server, or a group of processes with a sink for each of several: what one server
/// has not acknowledged goes to another, and nothing else is sent twice. `set`: the table that
/// `options` is from, for the words of their command lines.
std::unique_ptr<Sink> make_avro_sink(const OptionSet& set,
                                     const std::shared_ptr<AvroSinkOptions>& options);

}  // namespace fl
