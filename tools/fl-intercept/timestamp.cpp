// Adds the time in milliseconds as a header.
#include <charconv>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/component/component_type.h"
#include "tools/fl-intercept/header_check.h"

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
            "Keep the value of events that already have the header.");
  return std::move(table).erased();
}

class TimestampInterceptor final : public Interceptor {
 public:
  explicit TimestampInterceptor(const Options& options)
      : name_(utf8_escaped(options.header_name)),
        existing_(options.preserve_existing ? Batch::Existing::keep : Batch::Existing::replace) {}

  Status open(const StageContext& context) override { return check_header(context.limits, name_); }

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
  type.sought_as = {"time", "date", "now"};
  type.summary = "add the time to each event";
  type.description =
      "Sets a header to the current time: milliseconds since 1970-01-01T00:00:00Z, in decimal. "
      "fl-sink hdfs computes its directories from the header timestamp. All events of a block get "
      "the same time.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'a\\n' | fl-intercept timestamp | fl-sink logger",
       "One event with the current "
       "time."},
      {"printf 'a\\n' | fl-intercept ts --header-name seen | fl-sink logger",
       "The same in another header."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, TimestampInterceptor, Options>();
  return type;
}

}  // namespace fl
