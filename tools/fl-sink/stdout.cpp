// Prints events for other programs: bodies, JSON, headers and body, or a saved stream.
#include <string>

#include "common/base/log.h"
#include "common/component/component_type.h"
#include "common/compress/block_codec.h"
#include "common/event/java_map.h"
#include "common/stream/container.h"
#include "common/stream/json_line.h"
#include "tools/fl-sink/print_sink.h"

namespace fl {
namespace {

struct Options {
  std::string format = "body";
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("format", &Options::format, "FORMAT",
           "body: the body and a newline. json: one object per line. headers+body: as Flume's "
           "HEADER_AND_TEXT. avro: an Avro file, as Flume's AVRO_EVENT.")
      .choices({"body", "json", "headers+body", "avro"})
      .cli_only();
  return std::move(table).erased();
}

class StdoutSink final : public PrintSink {
 public:
  explicit StdoutSink(const Options& options)
      : format_(options.format == "json"           ? Format::json
                : options.format == "headers+body" ? Format::headers_and_body
                : options.format == "avro"         ? Format::avro
                                                   : Format::body) {}

  bool takes_codec() const override { return format_ == Format::avro; }

 private:
  enum class Format { body, json, headers_and_body, avro };

  Status start(const StageContext& context) override {
    if (format_ != Format::avro) {
      return {};
    }
    if (out().kind() == WriteEnd::Kind::terminal) {
      log(LogLevel::warning, "stdout is a terminal: events are printed as JSON instead of Avro");
      format_ = Format::json;
      return {};
    }
    if (context.codec.codec != BlockCodec::null) {
      Result<std::unique_ptr<BlockCompressor>> compressor = open_compressor(context.codec);
      if (!compressor) {
        return compressor.error();
      }
      compressor_ = std::move(*compressor);
    }
    marker_ = random_marker();
    out().text() +=
        container_header(event_metadata({}, block_codec_name(context.codec.codec)), marker_);
    return out().flush();
  }

  Status print(const Batch& batch) override {
    if (format_ == Format::avro) {
      return print_block(batch);
    }
    std::string& text = out().text();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Event& event = batch[i];
      if (format_ == Format::json) {
        append_json_line(text, event);
      } else {
        if (format_ == Format::headers_and_body) {
          map_.assign(event);
          map_.append_text(text);
          text += ' ';
        }
        text += event.body();
      }
      text += '\n';
      out().end_item();
    }
    return {};
  }

  // An event of a block that was not wholly written cannot be read: all count at its end.
  Status print_block(const Batch& batch) {
    if (batch.size() == 0) {
      return {};
    }
    std::string& block = block_;
    block.assign(Block::kBefore, '\0');
    for (std::size_t i = 0; i < batch.size(); ++i) {
      block += batch[i].bytes();
    }
    const std::size_t size = block.size() - Block::kBefore;
    block.append(Block::kAfter, '\0');
    Block frame{reinterpret_cast<std::uint8_t*>(block.data()) + Block::kBefore, size, batch.size()};
    if (compressor_) {
      const std::string_view events = std::string_view(block).substr(Block::kBefore, size);
      if (Status status = compressor_->compress(events, packed_); !status) {
        return status;
      }
      frame = {packed_.data(), packed_.size(), batch.size()};
    }
    out().text() += frame_block(frame, marker_);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      out().end_item();
    }
    return {};
  }

  Format format_;
  JavaMap map_;
  Marker marker_{};
  std::string block_;
  std::unique_ptr<BlockCompressor> compressor_;  // none for codec null
  GapBuffer packed_{Block::kBefore, Block::kAfter};
};

}  // namespace

ComponentType stdout_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "stdout";
  type.sought_as = {"console", "print", "cat"};
  type.summary = "print events, for other programs";
  type.description =
      "Writes events to stdout, for any other program.\n\n"
      "body writes the body and a newline, and drops the headers. json writes one object per line, "
      "{\"headers\":{...},\"body\":\"...\"}; a body that is not valid UTF-8 is \"body64\" in "
      "base64 instead (so jq -r .body prints null for it), and headers that are not are in "
      "\"headers64\", name and value in base64. `fl-source stdin --format json` reads such lines "
      "back. headers+body writes {k=v, k2=v2}, a "
      "blank, the body and a newline, headers in Java's order as Flume's HEADER_AND_TEXT. avro "
      "writes an Avro object container file, compressed if --codec says so.\n\n"
      "When the reader closes the pipe, as head does, the stage ends quietly.";
  type.delivery =
      "An event is acknowledged when it is written to stdout. Whether the reader has kept it is "
      "not known.";
  type.examples = {
      {"fl-source seq --count 3 | fl-sink stdout", "Prints 0, 1 and 2."},
      {"printf 'a\\n' | fl-intercept timestamp | fl-sink stdout --format json",
       "Headers and body as JSON."},
      {"fl-source seq --count 100 | fl-sink stdout --format avro > \"$(mktemp)\"",
       "Saves events in a file that Spark, Hive and any Avro library read."},
  };
  type.options = options();
  type.sink = factory<Sink, StdoutSink, Options>();
  return type;
}

}  // namespace fl
