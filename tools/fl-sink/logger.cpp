// Prints events in the form of Flume's logger sink.
#include <cstdint>

#include "common/component/component_type.h"
#include "tools/fl-sink/event_text.h"
#include "tools/fl-sink/print_sink.h"

namespace fl {
namespace {

struct Options {
  std::uint64_t max_bytes_to_log = 16;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("maxBytesToLog", &Options::max_bytes_to_log, "N",
            "How many bytes of the body to "
            "show.");
  return std::move(table).erased();
}

class LoggerSink final : public PrintSink {
 public:
  explicit LoggerSink(const Options& options) : max_bytes_(options.max_bytes_to_log) {}

 private:
  Status print(const Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      append_logger_text(out().text(), batch[i], max_bytes_, map_);
      out().text() += '\n';
      out().end_item();
    }
    return {};
  }

  const std::uint64_t max_bytes_;
  JavaMap map_;
};

}  // namespace

ComponentType logger_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "logger";
  type.class_names = {"org.apache.flume.sink.LoggerSink"};
  type.sought_as = {"log", "debug"};
  type.summary = "print events with their headers, for people";
  type.description =
      "Prints a line for each event to stdout: the headers, then the first bytes of the body in "
      "hexadecimal and as characters. The format is that of Flume's logger sink, without the "
      "prefix of its log. Headers are in the order in which Flume prints them; characters in them "
      "that could harm a terminal are shown as \\xNN. More than 16 bytes continue on further "
      "lines, each with its offset.";
  type.delivery = "An event is acknowledged when its line is written to stdout.";
  type.examples = {
      {"printf 'Hello world!\\n' | fl-sink logger", "Shows what an event holds."},
      {"printf 'Hello world!\\n' | fl-intercept timestamp | fl-sink logger --max-bytes-to-log 64",
       "With a header, and more of the body."},
  };
  type.options = options();
  type.sink = factory<Sink, LoggerSink, Options>();
  return type;
}

}  // namespace fl
