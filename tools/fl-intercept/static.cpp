// Adds one fixed header.
#include <string>

#include "common/component/component_type.h"
#include "tools/fl-intercept/header_check.h"

namespace fl {
namespace {

struct Options {
  std::string key;
  std::string value;
  bool preserve_existing = true;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("key", &Options::key, "KEY", "The header's name.")
      .positional()
      .required()
      .pairs_with("value")
      .flume("key");
  table.add("value", &Options::value, "VALUE", "The header's value.")
      .positional()
      .required()
      .flume("value");
  table.add("preserveExisting", &Options::preserve_existing, "BOOL",
            "Keep the value of events that already have the header.");
  return std::move(table).erased();
}

class StaticInterceptor final : public Interceptor {
 public:
  explicit StaticInterceptor(const Options& options)
      : key_(utf8_escaped(options.key)),
        value_(utf8_escaped(options.value)),
        existing_(options.preserve_existing ? Batch::Existing::keep : Batch::Existing::replace) {}

  Status open(const StageContext& context) override {
    return check_header(context.limits, key_, value_);
  }
  Status process(Batch& batch) override {
    batch.put(key_, value_, existing_);
    return {};
  }

 private:
  const std::string key_;
  const std::string value_;
  const Batch::Existing existing_;
};

}  // namespace

ComponentType static_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "static";
  type.class_names = {"org.apache.flume.interceptor.StaticInterceptor",
                      "org.apache.flume.interceptor.StaticInterceptor$Builder"};
  type.sought_as = {"header", "add", "tag", "label"};
  type.summary = "add a fixed header to each event";
  type.description =
      "Gives every event the header KEY with VALUE; KEY=VALUE as one word is the same. An event "
      "that already has the header keeps its value; with --preserve-existing=false the value is "
      "replaced. Bytes that are not valid UTF-8 become %XX.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'a\\n' | fl-intercept static datacenter berlin | fl-sink logger",
       "One event that says where it comes from."},
      {"printf 'a\\n' | fl-intercept static team web + timestamp | fl-sink logger",
       "Two interceptors in one process."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, StaticInterceptor, Options>();
  return type;
}

}  // namespace fl
