// Several sinks that share the events (Flume's load_balance).
#include <string>
#include <vector>

#include "common/component/component_type.h"
#include "common/fanout/group_sink.h"
#include "common/fanout/output_options.h"
#include "tools/fl-sink/group.h"

namespace fl {
namespace {

struct Options {
  std::vector<std::string> sinks;
  std::string selector = kSharingPolicies.front();
  bool backoff = false;
  Duration max_time_out{30'000};
  Bytes capacity = kKeptBytes;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("sinks", &Options::sinks, "SINK [+ SINK]",
           "The sinks, after --: each TYPE with its options, separated by +.")
      .after_dashes()
      .required();
  table
      .add("processor.selector", &Options::selector, "POLICY",
           "How the next sink is chosen: round_robin, beginning with the first, or random.")
      .named("selector")
      .choices({kSharingPolicies.begin(), kSharingPolicies.end()});
  table
      .add("processor.backoff", &Options::backoff, "BOOL",
           "Skip a sink that failed for 2 s, and twice as long after each further failure; "
           "otherwise it is started again after a second.")
      .named("backoff");
  table
      .add("processor.selector.maxTimeOut", &Options::max_time_out, "TIME",
           "The longest time for which --backoff skips a sink.")
      .named("max-time-out")
      .flume_ms();
  add_capacity(table, &Options::capacity);
  return std::move(table).erased();
}

}  // namespace

ComponentType balance_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "balance";
  type.aliases = {"load_balance"};
  type.class_names = {"org.apache.flume.sink.LoadBalancingSinkProcessor"};
  type.summary = "share events out among several sinks";
  type.description =
      "Runs each sink as a process of its own, `fl-sink TYPE ...`, and gives each block of events "
      "to one of them, in turn; a busy one is skipped. When a sink ends, the events from the first "
      "that it has not acknowledged go to the others, and the sink is started again later. "
      "--dry-run tries each sink.";
  type.delivery =
      "An event is acknowledged when the sink that got it has acknowledged it; until then it is "
      "kept in memory. When a sink fails, events that it had stored but not acknowledged are "
      "delivered twice. While no sink works the stage waits; after the end of its input it waits "
      "at most --grace and then ends with 69. An event that every sink refuses ends it with 65, or "
      "goes to the FILE of --reject, which all sinks share.";
  type.examples = {
      {"fl-source seq --count 100 | fl-sink balance -- hdfs \"file://$PWD/one\" + hdfs "
       "\"file://$PWD/two\"",
       "Shares the events between two directories."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    GroupSink::Settings settings;
    settings.turn.policy = sharing_policy(options.selector);
    settings.turn.most_penalty_ms = options.backoff ? options.max_time_out.ms : 0;
    settings.capacity = options.capacity.value;
    settings.members = split_members(options.sinks);
    return std::make_unique<GroupSink>(std::move(settings));
  };
  return type;
}

}  // namespace fl
