// Discards events.
#include <cstdint>
#include <string>

#include "common/base/log.h"
#include "common/component/component_type.h"

namespace fl {
namespace {

struct Options {
  std::uint64_t batch_size = 100;
  std::uint64_t log_every_n_events = 10'000;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("batchSize", &Options::batch_size, "N", "Events in one transaction.")
      .ignored("events are taken as they come, a block at a time");
  table.add("logEveryNEvents", &Options::log_every_n_events, "N",
            "With --log-level debug, log a line after every N discarded events; 0: never.");
  return std::move(table).erased();
}

class NullSink final : public Sink {
 public:
  explicit NullSink(Options options) : every_(options.log_every_n_events), next_(every_) {}

  Status open(const StageContext&) override { return {}; }
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::discarded, "discarded"};
  }
  Status deliver(const Batch& batch) override {
    count_ += batch.size();
    if (every_ != 0 && count_ >= next_) {
      log(LogLevel::debug, std::to_string(count_) + " events discarded");
      next_ = count_ - count_ % every_ + every_;
    }
    return {};
  }
  std::uint64_t safe() const override { return count_; }

 private:
  const std::uint64_t every_;
  std::uint64_t next_;
  std::uint64_t count_ = 0;
};

}  // namespace

ComponentType null_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "null";
  type.class_names = {"org.apache.flume.sink.NullSink"};
  type.sought_as = {"discard", "devnull"};
  type.summary = "discard events";
  type.description = "Reads every event and discards it. For tests and measurements.";
  type.delivery = "An event is acknowledged when it has been read; then it is gone.";
  type.examples = {
      {"fl-source seq --count 100000 | fl-sink null", "Shows how fast a pipeline runs."},
  };
  type.options = options();
  type.sink = factory<Sink, NullSink, Options>();
  return type;
}

}  // namespace fl
