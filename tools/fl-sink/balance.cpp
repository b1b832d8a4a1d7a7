// Several sinks that share the events (flume/channels.md 5, load_balance).
#include <string>
#include <vector>

#include "common/stage/component_type.h"
#include "common/stage/keep_sink.h"
#include "common/stage/output_options.h"
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
      .add("sinks", &Options::sinks, "SINK + SINK...",
           "The sinks: behind --, each TYPE with its options, parted by +.")
      .positional()
      .required();
  table
      .add("processor.selector", &Options::selector, "POLICY",
           "Whose turn it is: round_robin begins with the first; random.")
      .named("selector")
      .choices({kSharingPolicies.begin(), kSharingPolicies.end()});
  table
      .add("processor.backoff", &Options::backoff, "BOOL",
           "Leave a sink that failed out for 2 s, and twice as long after each further failure; "
           "otherwise it is started again after a second.")
      .named("backoff");
  table
      .add("processor.selector.maxTimeOut", &Options::max_time_out, "TIME",
           "The longest time for which --backoff leaves a sink out.")
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
      "Runs the sinks as processes of their own, each `fl-sink TYPE ...`, and gives each block of "
      "events to one of them, in turn; one that is busy is passed over. When a sink ends, what it "
      "has not acknowledged goes to the others, and it is started again later.";
  type.delivery =
      "An event is acknowledged when the sink that got it has acknowledged it; until then it is "
      "kept in memory. When a sink fails, events that it had stored but not acknowledged are "
      "delivered twice. While no sink works the stage waits.";
  type.examples = {
      {"fl-source seq --count 100 | fl-sink balance -- hdfs \"file://$PWD/one\" + hdfs "
       "\"file://$PWD/two\"",
       "Two directories share the events."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    KeepSink::Settings settings;
    settings.turn.policy = sharing_policy(options.selector);
    settings.turn.most_penalty_ms = options.backoff ? options.max_time_out.ms : 0;
    settings.capacity = options.capacity.value;
    settings.members = split_members(options.sinks);
    return std::make_unique<KeepSink>(std::move(settings));
  };
  return type;
}

}  // namespace fl
