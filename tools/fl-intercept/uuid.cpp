// Gives each event a name of its own.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/random.h"
#include "common/component/component_type.h"
#include "tools/fl-intercept/header_check.h"

namespace fl {
namespace {

struct Options {
  std::string header_name = "id";
  bool preserve_existing = true;
  std::string prefix;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("headerName", &Options::header_name, "NAME", "The header that gets the UUID.")
      .positional();
  table.add("preserveExisting", &Options::preserve_existing, "BOOL",
            "Keep the value of events that already have the header.");
  table.add("prefix", &Options::prefix, "TEXT", "Text before each UUID.");
  return std::move(table).erased();
}

constexpr std::size_t kUuidSize = 36;

/// Random UUIDs (RFC 9562 version 4) as lower-case text.
class UuidMaker {
 public:
  void append(std::string& out) {
    constexpr std::string_view kHex = "0123456789abcdef";
    constexpr std::size_t kSize = 16;
    if (at_ + kSize > random_.size()) {
      random_ = random_bytes(256);
      at_ = 0;
    }
    for (std::size_t i = 0; i < kSize; ++i) {
      auto byte = static_cast<std::uint8_t>(random_[at_++]);
      if (i == 6) {
        byte = static_cast<std::uint8_t>((byte & 0x0F) | 0x40);
      } else if (i == 8) {
        byte = static_cast<std::uint8_t>((byte & 0x3F) | 0x80);
      }
      if (i == 4 || i == 6 || i == 8 || i == 10) {
        out += '-';
      }
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }

 private:
  std::string random_;
  std::size_t at_ = 0;
};

class UuidInterceptor final : public Interceptor {
 public:
  explicit UuidInterceptor(const Options& options)
      : name_(utf8_escaped(options.header_name)),
        prefix_(utf8_escaped(options.prefix)),
        existing_(options.preserve_existing ? Batch::Existing::keep : Batch::Existing::replace) {}

  Status open(const StageContext& context) override {
    return check_header(context.limits, name_, prefix_ + std::string(kUuidSize, '-'));
  }

  Status process(Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!batch.kept(i) ||
          (existing_ == Batch::Existing::keep && batch.header(i, name_).has_value())) {
        continue;
      }
      value_ = prefix_;
      maker_.append(value_);
      batch.put(i, name_, value_, existing_);
    }
    return {};
  }

 private:
  const std::string name_;
  const std::string prefix_;
  const Batch::Existing existing_;
  UuidMaker maker_;
  std::string value_;
};

}  // namespace

ComponentType uuid_interceptor() {
  ComponentType type;
  type.kind = ComponentKind::interceptor;
  type.name = "uuid";
  type.class_names = {"org.apache.flume.sink.solr.morphline.UUIDInterceptor",
                      "org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder"};
  type.summary = "give each event a random UUID";
  type.description =
      "Sets a header to a random UUID, such as 5755073f-77f5-4c4d-8f0d-0d8a4f5e3c2b, so that "
      "copies of one event can be distinguished from events that look the same. An event that a "
      "source sends again after a failure passes this stage again and gets a new UUID; only copies "
      "made after this stage share one.\n\n"
      "An event that already has the header keeps its value; with --preserve-existing=false the "
      "value is replaced.";
  type.delivery = "Passes acknowledgements through unchanged.";
  type.examples = {
      {"printf 'a\\n' | fl-intercept uuid | fl-sink logger", "One event with a UUID as id."},
      {"printf 'a\\n' | fl-intercept uuid event-id --prefix web1- | fl-sink logger",
       "Another header, with a prefix before the UUID."},
  };
  type.options = options();
  type.keeps_numbers = true;
  type.interceptor = factory<Interceptor, UuidInterceptor, Options>();
  return type;
}

}  // namespace fl
