// Adds one fixed header.
#include <string>

#include "common/stage/component_type.h"

namespace fl {
namespace {

struct Options {
  std::string key = "key";
  std::string value = "value";
  bool preserve_existing = true;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("key", &Options::key, "KEY", "The header's name.").positional();
  table.add("value", &Options::value, "VALUE", "The header's value.").positional();
  table.add("preserveExisting", &Options::preserve_existing, "BOOL",
            "Leave events alone that have the header already.");
  return std::move(table).erased();
}

class StaticInterceptor final : public Interceptor {
 public:
  explicit StaticInterceptor(const Options& options)
      : key_(utf8_escaped(options.key)),
        value_(utf8_escaped(options.value)),
        existing_(options.preserve_existing ? Batch::Existing::keep : Batch::Existing::replace) {}

  Status open(const StageContext& context) override {
    const EventLimits& limits = context.limits;
    if (key_.size() > limits.name_bytes || value_.size() > limits.value_bytes) {
      return Error{ErrorClass::config, "a header of " + std::to_string(key_.size()) + " and " +
                                           std::to_string(value_.size()) +
                                           " bytes is longer than a stream may hold"};
    }
    return {};
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
  type.summary = "add a fixed header to each event";
  type.description =
      "Gives every event the header KEY with VALUE. An event that has it already keeps its own "
      "value; with --preserve-existing=false the value is replaced. Bytes that are not valid "
      "UTF-8 become %XX.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'a\\n' | fl-intercept static datacenter berlin | fl-sink logger",
       "One event that says where it comes from."},
      {"printf 'a\\n' | fl-intercept static team web + timestamp | fl-sink logger",
       "Two interceptors in one process."},
  };
  type.options = options();
  type.interceptor = factory<Interceptor, StaticInterceptor, Options>();
  return type;
}

}  // namespace fl
