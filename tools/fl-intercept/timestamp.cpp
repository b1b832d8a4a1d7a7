// Adds the time in milliseconds as a header.
#include <charconv>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/stage/component_type.h"

namespace fl {
namespace {

struct Options {
  std::string header_name = "timestamp";
  bool preserve_existing = false;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("headerName", &Options::header_name, "NAME", "The header that gets the time.");
  table.add("preserveExisting", &Options::preserve_existing, "BOOL",
            "Leave events alone that have the header already.");
  return std::move(table).erased();
}

class TimestampInterceptor final : public Interceptor {
 public:
  explicit TimestampInterceptor(const Options& options)
      : name_(utf8_escaped(options.header_name)),
        existing_(options.preserve_existing ? Batch::Existing::keep : Batch::Existing::replace) {}

  Status process(Batch& batch) override {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, wall_ms()).ptr;
    batch.put(name_, std::string_view(digits, static_cast<std::size_t>(end - digits)), existing_);
    return {};
  }

 private:
  const std::string name_;
  const Batch::Existing existing_;
};

}  // namespace

ComponentType timestamp_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "timestamp";
  type.aliases = {"ts"};
  type.class_names = {"org.apache.flume.interceptor.TimestampInterceptor",
                      "org.apache.flume.interceptor.TimestampInterceptor$Builder"};
  type.summary = "add the time to each event";
  type.description =
      "Sets a header to the wall clock's time when the event passes: milliseconds since "
      "1970-01-01T00:00:00Z, in decimal. fl-sink hdfs computes its directories from the header "
      "timestamp. The events of one block get the same time.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'a\\n' | fl-intercept timestamp | fl-sink logger", "One event with its time."},
      {"printf 'a\\n' | fl-intercept ts --header-name seen | fl-sink logger",
       "The same in another header."},
  };
  type.options = options();
  type.interceptor = factory<Interceptor, TimestampInterceptor, Options>();
  return type;
}

}  // namespace fl
