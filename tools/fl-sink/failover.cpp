// The first sink of a list that works.
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
  Duration max_penalty{30'000};
  Bytes capacity = kKeptBytes;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("sinks", &Options::sinks, "SINK [+ SINK]",
           "The sinks, after --, the preferred one first: each TYPE with its options, separated by "
           "+.")
      .after_dashes()
      .required();
  table
      .add("processor.maxpenalty", &Options::max_penalty, "TIME",
           "A sink that failed is skipped for 2 s, and twice as long after each further failure, "
           "at most for TIME.")
      .named("max-penalty")
      .flume_ms();
  add_capacity(table, &Options::capacity);
  return std::move(table).erased();
}

}  // namespace

ComponentType failover_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "failover";
  type.class_names = {"org.apache.flume.sink.FailoverSinkProcessor"};
  type.summary = "deliver to the first of several sinks that works";
  type.description =
      "Runs each sink as a process of its own, `fl-sink TYPE ...`, and gives all events to the "
      "first one in the list. When that sink ends, the events from the first that it has not "
      "acknowledged go to the next one. After its penalty the preferred sink is started again and "
      "gets the events that follow. --dry-run tries each sink.\n\n"
      "A sink that waits for its server has not failed: set a limit, e.g. hdfs --give-up-after 1m.";
  type.delivery =
      "An event is acknowledged when the sink that got it has acknowledged it; until then it is "
      "kept in memory. When a sink fails, events that it had stored but not acknowledged are "
      "delivered twice. While no sink works the stage waits; after the end of its input it waits "
      "at most --grace and then ends with 69. An event that every sink refuses ends it with 65, or "
      "goes to the FILE of --reject, which all sinks share.";
  type.examples = {
      {"fl-source seq --count 100 | fl-sink failover -- hdfs \"file://$PWD/out\" + null",
       "Writes files; discards events while that fails."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    GroupSink::Settings settings;
    settings.turn = {OutputOrder::Policy::failover, options.max_penalty.ms};
    settings.capacity = options.capacity.value;
    settings.members = split_members(options.sinks);
    return std::make_unique<GroupSink>(std::move(settings));
  };
  return type;
}

}  // namespace fl
