// Copies every event to several outputs.
#include <string>
#include <vector>

#include "common/component/component_type.h"
#include "common/fanout/fan_out_sink.h"
#include "common/fanout/output_options.h"
#include "tools/fl-channel/output_numbers.h"

namespace fl {
namespace {

struct Options {
  std::vector<std::string> optional;
  Duration keep_alive{3'000};
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("optional", &Options::optional, "N[,N...]",
            "Outputs, counted from 1 in the order of --out, that may miss events.");
  add_keep_alive(table, &Options::keep_alive);
  return std::move(table).erased();
}

class Replicate final : public Selector {
 public:
  explicit Replicate(std::vector<std::string> optional) : optional_(std::move(optional)) {}

  Status open(std::size_t outputs) override {
    for (const std::string& numbers : optional_) {
      const Result<OutputSet> set = parse_output_numbers(numbers, outputs);
      if (!set) {
        return set.error();
      }
      route_.optional |= *set;
    }
    route_.required = all_outputs(outputs) & ~route_.optional;
    return {};
  }
  Route route(const Event&) const override { return route_; }
  OutputSet only_optional() const override { return route_.optional; }

 private:
  const std::vector<std::string> optional_;
  Route route_;
};

}  // namespace

ComponentType replicate_channel() {
  ComponentType type;
  type.kind = ComponentKind::channel;
  type.name = "replicate";
  type.aliases = {"replicating"};
  type.class_names = {"org.apache.flume.channel.ReplicatingChannelSelector"};
  type.sought_as = {"tee", "copy", "split"};
  type.summary = "copy every event to several outputs";
  type.description =
      "Each --out gets the whole stream, at the speed of the slowest required output. An optional "
      "output that stays full for --keep-alive misses events until it has room again; one whose "
      "reader goes away is skipped. Missed events are counted and reported, and so are those that "
      "it received but did not acknowledge.";
  type.delivery =
      "An event is acknowledged when every required output has acknowledged it. The loss of a "
      "required output ends the stage with 75; optional outputs never delay an acknowledgement.";
  type.examples = {
      {"fl-source seq --count 1000 | fl-channel replicate --out first.avro --out second.avro",
       "The same stream in two files that any Avro reader opens."},
      {"fl-source seq --count 3 | fl-channel replicate --out all.avro --out glance.avro "
       "--optional 2",
       "The second output may miss events."},
  };
  type.options = options();
  type.sink = [](const std::shared_ptr<void>& made) -> std::unique_ptr<Sink> {
    const auto& options = *std::static_pointer_cast<Options>(made);
    return std::make_unique<FanOutSink>(std::make_unique<Replicate>(options.optional),
                                        options.keep_alive);
  };
  return type;
}

}  // namespace fl
