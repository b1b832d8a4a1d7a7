// Hadoop's SequenceFile, version 6, as Flume's hdfs sink writes it: keys LongWritable, values
// BytesWritable or Text.
//
// Records are plain, or have their values compressed one by one, or in blocks of keys and values
// that are compressed together. A sync escape (-1 and the file's 16 random bytes) comes before each
// block, and between records after each 100 KiB and at the end of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/compress/stream_compressor.h"
#include "common/hadoop/codec.h"

namespace fl {

enum class SequenceValue { bytes_writable, text };
enum class SequenceCompression { none, record, block };

struct SequenceFormat {
  SequenceValue value = SequenceValue::bytes_writable;
  SequenceCompression compression = SequenceCompression::none;
  const HadoopCodec* codec = nullptr;  ///< not null unless compression is none
};

/// The writer of one file. All calls append to `out`, which may be emptied between them.
class SequenceFileWriter {
 public:
  /// `compressor` is of the codec, between two streams, and left so; files may share it as long as
  /// they are written from one thread. `marker`: 16 random bytes.
  SequenceFileWriter(const SequenceFormat& format, StreamCompressor* compressor,
                     std::string_view marker);

  /// Once, first.
  void begin(std::string& out);
  void append(std::int64_t key, std::string_view value, std::string& out);
  /// Ends the block that is being filled, if there is one.
  void flush(std::string& out);
  /// Once, last.
  void end(std::string& out);
  /// Bytes of the block that is being filled.
  std::size_t pending() const {
    return key_lengths_.size() + keys_.size() + value_lengths_.size() + values_.size();
  }

 private:
  void append_value(std::string_view value, std::string& out) const;
  void append_sync(std::string& out);
  void append_compressed(std::string_view bytes, std::string& out);

  const SequenceFormat format_;
  StreamCompressor* const compressor_;
  const std::string marker_;
  std::uint64_t position_ = 0;  // bytes of the file so far
  std::uint64_t last_sync_ = 0;

  // The block being filled.
  std::uint64_t records_ = 0;
  std::string key_lengths_;
  std::string keys_;
  std::string value_lengths_;
  std::string values_;
  std::string scratch_;
};

}  // namespace fl
