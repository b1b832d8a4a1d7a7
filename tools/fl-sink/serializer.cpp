#include "tools/fl-sink/serializer.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "common/base/random.h"
#include "common/event/java_map.h"
#include "common/event/varint.h"

namespace fl {
namespace {

void append_varint(std::string& out, std::int64_t value) {
  std::array<std::uint8_t, kMaxVarint> bytes;
  const std::uint8_t* const end = write_varint(bytes.data(), value);
  out.append(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::size_t>(end - bytes.data()));
}

void append_text(std::string& out, std::string_view text) {
  append_varint(out, static_cast<std::int64_t>(text.size()));
  out += text;
}

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

// An Avro object container, as Flume writes it (flume/wire.md 4.1): headers in Java's map order in
// one block with a positive count, blocks of about `interval` bytes, never one without events.
class AvroEventSerializer final : public Serializer {
 public:
  explicit AvroEventSerializer(std::size_t interval) : interval_(interval) {}

  void begin(std::string& out) override {
    static constexpr std::string_view kSchema =
        R"({"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map",)"
        R"("values":"string"}},{"name":"body","type":"bytes"}]})";
    marker_ = random_bytes(16);
    out += "Obj\1";
    append_varint(out, 2);
    append_text(out, "avro.schema");
    append_text(out, kSchema);
    append_text(out, "avro.codec");
    append_text(out, "null");
    append_varint(out, 0);
    out += marker_;
  }

  void append(std::string& out, const Event& event) override {
    if (event.has_headers()) {
      map_.assign(event);
      append_varint(block_, static_cast<std::int64_t>(map_.entries().size()));
      for (const JavaMap::Entry& entry : map_.entries()) {
        append_text(block_, entry.key);
        append_text(block_, entry.value);
      }
    }
    append_varint(block_, 0);
    append_text(block_, event.body());
    ++count_;
    if (block_.size() >= interval_) {
      flush(out);
    }
  }

  void flush(std::string& out) override {
    if (count_ == 0) {
      return;
    }
    append_varint(out, count_);
    append_text(out, block_);
    out += marker_;
    count_ = 0;
    block_.clear();
  }

  std::size_t pending() const override { return block_.size(); }

 private:
  const std::size_t interval_;
  std::string marker_;
  std::string block_;
  std::int64_t count_ = 0;
  JavaMap map_;
};

}  // namespace

Result<std::unique_ptr<Serializer>> make_serializer(const SerializerOptions& options) {
  std::string name = options.name;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name == "text") {
    return std::unique_ptr<Serializer>(std::make_unique<TextSerializer>(options.append_newline));
  }
  if (name == "avro_event") {
    return std::unique_ptr<Serializer>(std::make_unique<AvroEventSerializer>(
        static_cast<std::size_t>(options.sync_interval.value)));
  }
  return Error{ErrorClass::config, "unknown serializer '" + options.name + "'",
               "text and avro_event are known"};
}

}  // namespace fl
