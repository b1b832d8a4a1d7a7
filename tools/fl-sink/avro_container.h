// The Avro object containers that sinks write (Avro specification, "Object Container Files"):
// blocks of about an interval's bytes, never one without data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/compress/block_codec.h"
#include "common/stream/container.h"

namespace fl {

/// Compresses blocks; the files of a sink share it.
class AvroPacker {
 public:
  /// `codec` is Avro's name. Errors of class config: not known, or its library is not installed.
  static Result<std::shared_ptr<AvroPacker>> make(std::string_view codec);

  std::string_view codec() const { return block_codec_name(codec_); }
  /// `block` as it is in the file, valid until the next call. A codec's library that has no memory
  /// throws std::bad_alloc.
  std::string_view pack(std::string_view block);

 private:
  explicit AvroPacker(BlockCodec codec) : codec_(codec) {}

  const BlockCodec codec_;
  std::unique_ptr<BlockCompressor> compressor_;  // null: codec null
  GapBuffer packed_{0, 0};
};

/// The writer of one file. All calls append to `out`, which may be emptied between them.
class AvroContainer {
 public:
  /// `schema` is what the file says; a block ends when it holds `interval` bytes.
  AvroContainer(std::shared_ptr<AvroPacker> packer, std::string_view schema, std::size_t interval);

  /// Once, first; `schema` is not needed afterwards.
  void begin(std::string& out);
  /// The block being filled: the caller appends one datum, then calls added().
  std::string& block() { return block_; }
  void added(std::string& out) {
    ++count_;
    if (block_.size() >= interval_) {
      flush(out);
    }
  }
  /// Ends the block if it holds anything.
  void flush(std::string& out);
  std::size_t pending() const { return block_.size(); }

 private:
  const std::shared_ptr<AvroPacker> packer_;
  const std::string_view schema_;
  const std::size_t interval_;
  Marker marker_{};
  std::string block_;
  std::int64_t count_ = 0;
};

}  // namespace fl
