#include "common/hadoop/sequence_file.h"

#include "common/hadoop/big_endian.h"

namespace fl {
namespace {

constexpr std::uint64_t kSyncInterval = 100 << 10;  // Hadoop 3: 5 * 1024 * 20
constexpr std::size_t kBlockBytes = 1'000'000;      // io.seqfile.compress.blocksize
constexpr std::uint32_t kKeyBytes = 8;

void append_string(std::string& out, std::string_view text) {
  append_vlong(out, static_cast<std::int64_t>(text.size()));
  out += text;
}

}  // namespace

SequenceFileWriter::SequenceFileWriter(const SequenceFormat& format, StreamCompressor* compressor,
                                       std::string_view marker)
    : format_(format), compressor_(compressor), marker_(marker) {}

void SequenceFileWriter::begin(std::string& out) {
  const std::size_t start = out.size();
  out += "SEQ\6";
  append_string(out, "org.apache.hadoop.io.LongWritable");
  append_string(out, format_.value == SequenceValue::text ? "org.apache.hadoop.io.Text"
                                                          : "org.apache.hadoop.io.BytesWritable");
  out += format_.compression == SequenceCompression::none ? '\0' : '\1';
  out += format_.compression == SequenceCompression::block ? '\1' : '\0';
  if (format_.compression != SequenceCompression::none) {
    append_string(out, format_.codec->class_name);
  }
  append_int32(out, 0);  // metadata
  out += marker_;
  position_ += out.size() - start;
}

// The value as it is serialized: with its own length.
void SequenceFileWriter::append_value(std::string_view value, std::string& out) const {
  if (format_.value == SequenceValue::text) {
    append_vlong(out, static_cast<std::int64_t>(value.size()));
  } else {
    append_int32(out, static_cast<std::uint32_t>(value.size()));
  }
  out += value;
}

void SequenceFileWriter::append_sync(std::string& out) {
  if (last_sync_ != position_) {
    append_int32(out, 0xFFFFFFFF);
    out += marker_;
    position_ += 4 + marker_.size();
    last_sync_ = position_;
  }
}

void SequenceFileWriter::append(std::int64_t key, std::string_view value, std::string& out) {
  if (format_.compression == SequenceCompression::block) {
    append_vlong(key_lengths_, kKeyBytes);
    append_int64(keys_, key);
    const std::size_t before = values_.size();
    append_value(value, values_);
    append_vlong(value_lengths_, static_cast<std::int64_t>(values_.size() - before));
    ++records_;
    // Hadoop looks at keys and values, not at their lengths.
    if (keys_.size() + values_.size() >= kBlockBytes) {
      flush(out);
    }
    return;
  }
  if (position_ >= last_sync_ + kSyncInterval) {
    append_sync(out);
  }
  const std::size_t start = out.size();
  append_int32(out, 0);
  append_int32(out, kKeyBytes);
  append_int64(out, key);
  if (format_.compression == SequenceCompression::record) {
    scratch_.clear();
    append_value(value, scratch_);
    compressor_->write(scratch_, out);
    compressor_->finish(out);
  } else {
    append_value(value, out);
  }
  put_int32(out.data() + start, static_cast<std::uint32_t>(out.size() - start - 8));
  position_ += out.size() - start;
}

void SequenceFileWriter::append_compressed(std::string_view bytes, std::string& out) {
  scratch_.clear();
  compressor_->write(bytes, scratch_);
  compressor_->finish(scratch_);
  append_string(out, scratch_);
}

void SequenceFileWriter::flush(std::string& out) {
  if (records_ == 0) {
    return;
  }
  append_sync(out);
  const std::size_t start = out.size();
  append_vlong(out, static_cast<std::int64_t>(records_));
  for (std::string* part : {&key_lengths_, &keys_, &value_lengths_, &values_}) {
    append_compressed(*part, out);
    part->clear();
  }
  position_ += out.size() - start;
  records_ = 0;
}

void SequenceFileWriter::end(std::string& out) {
  flush(out);
  if (format_.compression != SequenceCompression::block) {
    append_sync(out);
  }
}

}  // namespace fl
