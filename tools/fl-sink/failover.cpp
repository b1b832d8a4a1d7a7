// The first sink of a list that works (flume/channels.md 5).
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
  Duration max_penalty{30'000};
  Bytes capacity = kKeptBytes;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("sinks", &Options::sinks, "SINK [+ SINK...]",
           "The sinks, the preferred one first: behind --, each TYPE with its options, parted "
           "by +.")
      .positional()
      .required();
  table
      .add("processor.maxpenalty", &Options::max_penalty, "TIME",
           "A sink that failed is left out for 2 s, and twice as long after each further failure, "
           "at most TIME.")
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
  type.summary = "deliver by the first of several sinks that works";
  type.description =
      "Runs the sinks as processes of their own, each `fl-sink TYPE ...`, and gives all events to "
      "the first one of the list. When that ends, what it has not acknowledged and all that "
      "follows go to the next one. After its penalty the preferred sink is started again and "
      "gets the events that follow.\n\n"
      "A sink that only waits for its server has not failed: give it a limit, as the hdfs sink "
      "takes one, after which it gives up.";
  type.delivery =
      "An event is acknowledged when the sink that got it has acknowledged it; until then it is "
      "kept in memory. When a sink fails, events that it had stored but not acknowledged are "
      "delivered twice. While no sink works the stage waits.";
  type.examples = {
      {"fl-source seq --count 100 | fl-sink failover -- hdfs \"file://$PWD/out\" + null",
       "Into files; to nowhere while that fails."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    KeepSink::Settings settings;
    settings.turn = {Turn::Policy::failover, options.max_penalty.ms};
    settings.capacity = options.capacity.value;
    settings.members = split_members(options.sinks);
    return std::make_unique<KeepSink>(std::move(settings));
  };
  return type;
}

}  // namespace fl
