// Shares events out among several outputs (Flume's load_balancing).
#include <string>

#include "common/component/component_type.h"
#include "common/fanout/group_sink.h"
#include "common/fanout/output_options.h"

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
           "How the next output is chosen: round_robin, beginning with the first --out, or random.")
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
      "Each block of events goes to one --out, in turn; a full one is skipped. Events within one "
      "output stay in order; across outputs they do not. When the reader of an output goes away, "
      "the events that it has not acknowledged go to the others, beginning with the first of them.";
  type.delivery =
      "An event is acknowledged when the output that got it has acknowledged it; until then it is "
      "kept in memory. After the loss of an output some events may be delivered twice. When no "
      "output is left the stage ends with 75.";
  type.examples = {
      {"fl-source seq --count 1000 | fl-channel balance --out one.avro --out two.avro",
       "Each file gets half of the blocks."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    GroupSink::Settings settings;
    settings.turn.policy = sharing_policy(options.policy);
    settings.capacity = options.capacity.value;
    return std::make_unique<GroupSink>(std::move(settings));
  };
  return type;
}

}  // namespace fl
