// Hadoop's framing of raw snappy and lz4 blocks (org.apache.hadoop.io.compress.
// BlockCompressorStream): a file is blocks, one after the other. A block is
//
//   int32 BE   bytes of the block when uncompressed
//   chunks of  int32 BE  bytes that follow, then as many: one raw block of the algorithm
//
// until the chunks make up the block. A chunk holds at most so many bytes uncompressed that its
// compressed form fits into Hadoop's buffer of 256 KiB whatever they are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/compress/stream_compressor.h"

namespace fl {

enum class HadoopBlockFormat { snappy, lz4 };

/// Bytes of a chunk at most: what Hadoop's codecs take at a time with their standard buffers.
constexpr std::size_t max_chunk(HadoopBlockFormat format) {
  constexpr std::size_t kBuffer = 256 << 10;
  return format == HadoopBlockFormat::snappy ? kBuffer - (kBuffer / 6 + 32)
                                             : kBuffer - (kBuffer / 255 + 16);
}

/// Fills blocks of one chunk each. A write() longer than a chunk with nothing before it becomes a
/// block of several chunks, as with Hadoop.
class HadoopBlockCompressor final : public StreamCompressor {
 public:
  explicit HadoopBlockCompressor(HadoopBlockFormat format) : format_(format) {}
  void write(std::string_view bytes, std::string& out) override;
  void finish(std::string& out) override;
  std::size_t memory() const override { return pending_.capacity(); }

 private:
  void append_block(std::string_view bytes, std::string& out) const;

  const HadoopBlockFormat format_;
  std::string pending_;  // less than a chunk
};

}  // namespace fl
