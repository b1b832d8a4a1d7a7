#include "tools/fl-sink/serializer.h"

#include <utility>

#include "common/event/java_map.h"
#include "common/event/varint.h"
#include "common/stream/json_line.h"

namespace fl {
namespace {

// The body and a newline; headers are dropped.
class TextSerializer final : public Serializer {
 public:
  explicit TextSerializer(bool append_newline) : append_newline_(append_newline) {}

  void begin(std::string&) override {}
  void append(std::string& out, const Event& event) override {
    out += event.body();
    if (append_newline_) {
      out += '\n';
    }
  }
  void flush(std::string&) override {}

 private:
  const bool append_newline_;
};

// Headers as Java prints a map, a blank, the body and a newline.
class HeaderAndTextSerializer final : public Serializer {
 public:
  explicit HeaderAndTextSerializer(bool append_newline) : append_newline_(append_newline) {}

  void begin(std::string&) override {}
  void append(std::string& out, const Event& event) override {
    map_.assign(event);
    map_.append_text(out);
    out += ' ';
    out += event.body();
    if (append_newline_) {
      out += '\n';
    }
  }
  void flush(std::string&) override {}

 private:
  const bool append_newline_;
  JavaMap map_;
};

// One JSON object per line.
class JsonSerializer final : public Serializer {
 public:
  void begin(std::string&) override {}
  void append(std::string& out, const Event& event) override {
    append_json_line(out, event);
    out += '\n';
  }
  void flush(std::string&) override {}
};

// A container of headers and bodies, as Flume writes it: headers in Java's map order in one block
// with a positive count.
class AvroEventSerializer final : public Serializer {
 public:
  AvroEventSerializer(std::shared_ptr<AvroPacker> packer, std::size_t interval)
      : container_(std::move(packer), kSchema, interval) {}

  void begin(std::string& out) override { container_.begin(out); }
  void append(std::string& out, const Event& event) override {
    std::string& block = container_.block();
    if (event.has_headers()) {
      map_.assign(event);
      append_varint(block, static_cast<std::int64_t>(map_.entries().size()));
      for (const JavaMap::Entry& entry : map_.entries()) {
        append_sized(block, entry.key);
        append_sized(block, entry.value);
      }
    }
    append_varint(block, 0);
    append_sized(block, event.body());
    container_.added(out);
  }
  void flush(std::string& out) override { container_.flush(out); }
  std::size_t pending() const override { return container_.pending(); }

 private:
  static constexpr std::string_view kSchema =
      R"({"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map",)"
      R"("values":"string"}},{"name":"body","type":"bytes"}]})";

  AvroContainer container_;
  JavaMap map_;
};

}  // namespace

Result<SerializerFactory> SerializerFactory::make(const SerializerOptions& options) {
  if (options.name != "text" && options.name != "header_and_text" && options.name != "json" &&
      options.name != "avro_event") {
    return Error{ErrorClass::config, "unknown serializer '" + options.name + "'",
                 "text, header_and_text, json and avro_event are known"};
  }
  SerializerFactory factory(options);
  if (options.name == "avro_event") {
    Result<std::shared_ptr<AvroPacker>> packer = AvroPacker::make(options.compression_codec);
    if (!packer) {
      return packer.error();
    }
    factory.packer_ = std::move(*packer);
  }
  return factory;
}

std::unique_ptr<Serializer> SerializerFactory::serializer() const {
  if (packer_ != nullptr) {
    return std::make_unique<AvroEventSerializer>(
        packer_, static_cast<std::size_t>(options_.sync_interval.value));
  }
  if (options_.name == "json") {
    return std::make_unique<JsonSerializer>();
  }
  if (options_.name == "header_and_text") {
    return std::make_unique<HeaderAndTextSerializer>(options_.append_newline);
  }
  return std::make_unique<TextSerializer>(options_.append_newline);
}

Result<std::unique_ptr<Serializer>> make_serializer(const SerializerOptions& options) {
  const Result<SerializerFactory> factory = SerializerFactory::make(options);
  if (!factory) {
    return factory.error();
  }
  return factory->serializer();
}

}  // namespace fl
