// Compression that goes along with the data: bytes in as they come, compressed bytes out as they
// arise. Block codecs of Avro containers are in block_codec.h.
//
// The same input, cut in any way, gives the same output: no time, name or host goes into a header.
// Lack of memory is std::bad_alloc, as for any other growing thing.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace fl {

/// Writes compressed streams one after the other. A reader of all these formats takes several
/// streams in a row for one.
class StreamCompressor {
 public:
  virtual ~StreamCompressor() = default;
  /// Appends to `out` what is ready; the rest comes with later calls.
  virtual void write(std::string_view bytes, std::string& out) = 0;
  /// Ends the stream: all bytes written so far can then be read back from `out`. The next write()
  /// begins another stream. A stream without bytes is legal.
  virtual void finish(std::string& out) = 0;
  /// Bytes of memory that it holds, about.
  virtual std::size_t memory() const = 0;
};

enum class StreamFormat {
  gzip,  ///< RFC 1952; header without name and time, system "unknown", as Java writes it
  zlib,  ///< RFC 1950; what Hadoop calls deflate
  bzip2,
  zstd,  ///< RFC 8878 frames with a checksum; a window of at most 1 MiB
};

/// The levels of a format and the default one.
struct CompressionLevels {
  int least;
  int standard;
  int most;
};
CompressionLevels compression_levels(StreamFormat format);

/// `level` is within compression_levels(). Holds hardly any memory before the first write().
std::unique_ptr<StreamCompressor> make_stream_compressor(StreamFormat format, int level);

/// Appends one raw block (no frame, no checksum) of at most 1 GiB.
void append_snappy_block(std::string_view bytes, std::string& out);
void append_lz4_block(std::string_view bytes, std::string& out);

}  // namespace fl
