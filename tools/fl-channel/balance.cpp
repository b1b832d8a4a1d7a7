// Shares events out among several outputs (flume/channels.md 4, load_balancing).
#include <string>

#include "common/stage/component_type.h"
#include "common/stage/keep_sink.h"
#include "common/stage/output_options.h"

namespace fl {
namespace {

struct Options {
  std::string policy = kSharingPolicies.front();
  Bytes capacity = kKeptBytes;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("policy", &Options::policy, "POLICY",
           "Whose turn it is: round_robin begins with the first --out; random.")
      .choices({kSharingPolicies.begin(), kSharingPolicies.end()});
  add_capacity(table, &Options::capacity);
  return std::move(table).erased();
}

}  // namespace

ComponentType balance_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "balance";
  type.aliases = {"load_balancing"};
  type.class_names = {"org.apache.flume.channel.LoadBalancingChannelSelector"};
  type.summary = "share events out among several outputs";
  type.description =
      "Each block of events goes to one --out, in turn; one that is full is passed over. Events of "
      "one output stay in order, those of different outputs do not. When the reader of an output "
      "goes away, what it has not acknowledged goes to the others.";
  type.delivery =
      "An event is acknowledged when the output that got it has acknowledged it; until then it is "
      "kept in memory. After the loss of an output some events may be delivered twice. With no "
      "output left the stage ends with 75.";
  type.examples = {
      {"fl-source seq --count 1000 | fl-channel balance --out one.avro --out two.avro",
       "Half of the events into each file, by blocks."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    KeepSink::Settings settings;
    settings.turn.policy = sharing_policy(options.policy);
    settings.capacity = options.capacity.value;
    return std::make_unique<KeepSink>(std::move(settings));
  };
  return type;
}

}  // namespace fl
