#include "tools/fl-sink/hdfs/file_format.h"

#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/event/path_escape.h"

namespace fl {
namespace {

// 64 MiB is what the sink may take with 100 open files; 8 MiB of it are appended bytes.
constexpr std::size_t kCompressorBytes = 28 << 20;

class SequenceSerializer final : public Serializer {
 public:
  /// `key` is that of the event which is appended next.
  SequenceSerializer(const SequenceFormat& format, StreamCompressor* compressor,
                     const std::int64_t& key)
      : writer_(format, compressor, random_bytes(16)), key_(key) {}

  void begin(std::string& out) override { writer_.begin(out); }
  void append(std::string& out, const Event& event) override {
    writer_.append(key_, event.body(), out);
  }
  void flush(std::string& out) override { writer_.flush(out); }
  void end(std::string& out) override { writer_.end(out); }
  std::size_t pending() const override { return writer_.pending(); }

 private:
  SequenceFileWriter writer_;
  const std::int64_t& key_;
};

// A container of bodies that are datums of the schema.
class AvroSchemaSerializer final : public Serializer {
 public:
  AvroSchemaSerializer(std::shared_ptr<const AvroSchema> schema, std::shared_ptr<AvroPacker> packer,
                       std::size_t interval)
      : schema_(std::move(schema)), container_(std::move(packer), schema_->text(), interval) {}

  void begin(std::string& out) override { container_.begin(out); }
  void append(std::string& out, const Event& event) override {
    container_.block() += event.body();
    container_.added(out);
  }
  void flush(std::string& out) override { container_.flush(out); }
  std::size_t pending() const override { return container_.pending(); }

 private:
  const std::shared_ptr<const AvroSchema> schema_;
  AvroContainer container_;
};

// The rows that a sink has formed, one a line.
class RowSerializer final : public Serializer {
 public:
  /// `rows` has the event formed that is appended next.
  explicit RowSerializer(const RowForm& rows) : rows_(rows) {}

  void begin(std::string&) override {}
  void append(std::string& out, const Event&) override {
    out += rows_.row();
    out += '\n';
  }
  void flush(std::string&) override {}

 private:
  const RowForm& rows_;
};

Error bad(std::string what, std::string hint) {
  return Error{ErrorClass::config, std::move(what), std::move(hint)};
}

}  // namespace

FileFormat::FileFormat(const HdfsOptions& options, std::unique_ptr<RowForm> rows)
    : suffix_(options.file_suffix),
      budget_(kCompressorBytes),
      serializer_options_(options.serializer),
      rows_(std::move(rows)) {}

Result<std::unique_ptr<FileFormat>> FileFormat::make(const HdfsOptions& options,
                                                     std::unique_ptr<RowForm> rows) {
  std::unique_ptr<FileFormat> format(new FileFormat(options, std::move(rows)));
  if (Status chosen = format->choose(options); !chosen) {
    return chosen.error();
  }
  return format;
}

Status FileFormat::choose(const HdfsOptions& options) {
  if (!options.codec.empty()) {
    const Result<const HadoopCodec*> found = find_hadoop_codec(options.codec);
    if (!found) {
      return found.error();
    }
    codec_ = *found;
  }
  is_compressed_stream_ =
      options.file_type == "CompressedStream" || (options.file_type == "auto" && codec_ != nullptr);
  if (options.file_type == "SequenceFile") {
    SequenceFormat format;
    format.value =
        options.write_format == "Text" ? SequenceValue::text : SequenceValue::bytes_writable;
    format.codec = codec_;
    if (codec_ != nullptr) {
      format.compression = options.compress_type == "record" ? SequenceCompression::record
                                                             : SequenceCompression::block;
    }
    sequence_ = format;
  } else if (is_compressed_stream_ && codec_ == nullptr) {
    return bad("files of type CompressedStream need a codec", "add --code-c gzip or another one");
  } else if (!is_compressed_stream_ && codec_ != nullptr) {
    return bad("files of type DataStream are not compressed, but there is a codec",
               "remove --file-type DataStream or --code-c");
  }
  if (Status level = choose_level(options); !level) {
    return level;
  }
  if (codec_ != nullptr) {
    if (suffix_.empty()) {
      suffix_ = codec_->extension;
    } else if (!sequence_ && !suffix_.ends_with(codec_->extension)) {
      log(LogLevel::warning, "files are compressed with " + std::string(codec_->name) +
                                 ", but their names end in '" + suffix_ +
                                 "': Hadoop, Hive and Spark decompress only '" +
                                 std::string(codec_->extension) + "'; give --file-suffix " +
                                 suffix_ + std::string(codec_->extension));
    }
    if (sequence_) {
      shared_ = make_hadoop_compressor(*codec_, level_);
    }
  }
  return sequence_ || rows_ != nullptr ? Status() : choose_serializer();
}

Status FileFormat::choose_serializer() {
  if (serializer_options_.name != "avro_schema") {
    Result<SerializerFactory> made = SerializerFactory::make(serializer_options_);
    if (!made) {
      return made.error();
    }
    serializers_ = std::move(*made);
    return {};
  }
  Result<SchemaSource> schemas = SchemaSource::make(serializer_options_);
  if (!schemas) {
    return schemas.error();
  }
  Result<std::shared_ptr<AvroPacker>> packer =
      AvroPacker::make(serializer_options_.compression_codec);
  if (!packer) {
    return packer.error();
  }
  schemas_ = std::move(*schemas);
  packer_ = std::move(*packer);
  return {};
}

Status FileFormat::choose_level(const HdfsOptions& options) {
  if (options.codec_level == 0) {
    return {};
  }
  if (codec_ == nullptr) {
    return bad("there is a level, but no codec", "remove --compression-level or add --code-c");
  }
  const CompressionLevels levels = hadoop_codec_levels(*codec_);
  if (levels.most == 0) {
    return bad(std::string(codec_->name) + " has no levels", "remove --compression-level");
  }
  if (options.codec_level > static_cast<std::uint64_t>(levels.most)) {
    return bad(std::string(codec_->name) + " has no level " + std::to_string(options.codec_level),
               "1 to " + std::to_string(levels.most) + " are possible");
  }
  level_ = static_cast<int>(options.codec_level);
  return {};
}

Result<bool> FileFormat::examine(const Event& event) {
  if (rows_ != nullptr) {
    if (Status formed = rows_->form(event); !formed) {
      return formed.error();
    }
    return false;
  }
  if (schemas_) {
    Result<std::shared_ptr<const AvroSchema>> found = schemas_->find(event);
    if (!found) {
      return found.error();
    }
    if (!(*found)->is_datum(event.body())) {
      return Error{ErrorClass::input, "the body of an event is not one datum of its schema", {}};
    }
    const bool is_other = schema_ != *found;
    schema_ = std::move(*found);
    return is_other;
  }
  const auto text = find_header(event, "timestamp");
  if (!text) {
    key_ = wall_ms();
    return false;
  }
  const auto ms = parse_timestamp(*text);
  if (!ms) {
    return Error{ErrorClass::input,
                 "the header 'timestamp', the key in a SequenceFile, is not a number: '" +
                     std::string(text->substr(0, 64)) + "'",
                 {}};
  }
  key_ = *ms;
  return false;
}

std::unique_ptr<Serializer> FileFormat::serializer() {
  if (sequence_) {
    return std::make_unique<SequenceSerializer>(*sequence_, shared_.get(), key_);
  }
  std::unique_ptr<Serializer> made;
  if (rows_ != nullptr) {
    made = std::make_unique<RowSerializer>(*rows_);
  } else if (schemas_) {
    made = std::make_unique<AvroSchemaSerializer>(
        schema_, packer_, static_cast<std::size_t>(serializer_options_.sync_interval.value));
  } else {
    made = serializers_->serializer();
  }
  if (!is_compressed_stream_) {
    return made;
  }
  return std::make_unique<CompressedSerializer>(std::move(made), *codec_, level_, budget_);
}

}  // namespace fl
