// Counts: bodies "0", "1", "2", ... For tests and measurements.
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "common/component/component_type.h"

namespace fl {
namespace {

struct Options {
  std::uint64_t total_events = std::numeric_limits<std::int64_t>::max();
  std::uint64_t batch_size = 1;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("totalEvents", &Options::total_events, "N",
           "How many events to produce; 0: none. The default is practically endless.")
      .named("count");
  table.add("batchSize", &Options::batch_size, "N", "Events in one transaction.")
      .ignored("blocks are cut by the size of the pipe");
  return std::move(table).erased();
}

/// A decimal counter that is kept as text, so that the next number costs one addition.
class DecimalCounter {
 public:
  DecimalCounter() { digits_[kDigits - 1] = '0'; }
  std::string_view text() const { return {digits_ + begin_, kDigits - begin_}; }
  void increment() {
    std::size_t i = kDigits - 1;
    while (digits_[i] == '9') {
      digits_[i] = '0';
      if (i == begin_) {
        begin_ = i - 1;
        digits_[begin_] = '1';
        return;
      }
      --i;
    }
    ++digits_[i];
  }

 private:
  static constexpr std::size_t kDigits = 21;  // UINT64_MAX has 20
  char digits_[kDigits] = {};
  std::size_t begin_ = kDigits - 1;
};

class SeqSource final : public Source {
 public:
  explicit SeqSource(Options options) : left_(options.total_events) {}

  Status open(const StageContext&) override { return {}; }

  Result<State> produce(BlockBuilder& out) override {
    while (left_ != 0) {
      const std::string_view body = counter_.text();
      if (!out.fits(BlockBuilder::event_size({}, body))) {
        return State::more;
      }
      out.add({}, body);
      counter_.increment();
      --left_;
    }
    return State::end;
  }

 private:
  std::uint64_t left_;
  DecimalCounter counter_;
};

}  // namespace

ComponentType seq_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "seq";
  type.class_names = {"org.apache.flume.source.SequenceGeneratorSource"};
  type.summary = "a sequence of numbers, for tests";
  type.description =
      "Produces events without headers whose bodies are the decimal numbers 0, 1, 2, ... Each run "
      "starts at 0.";
  type.delivery =
      "No position is kept: each run starts at 0. The exit status is 0 only if the stages after "
      "this one acknowledged every event.";
  type.examples = {
      {"fl-source seq --count 3 | fl-sink stdout", "Prints 0, 1 and 2."},
      {"fl-source seq --count 100000 | fl-intercept timestamp | fl-sink null",
       "A load for a pipeline."},
  };
  type.options = options();
  type.source = factory<Source, SeqSource, Options>();
  return type;
}

}  // namespace fl
