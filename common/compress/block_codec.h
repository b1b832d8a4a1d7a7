// The codecs of Avro's object container: one block of events in, one block out. (Avro 1.11
// specification, "Required Codecs" and "Optional Codecs".)
//
// Every decompression in fl that reads a stranger's bytes has a limit that no codec can pass: the
// output never grows beyond it, whatever a header claims, so no small block fills the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/compress/gap_buffer.h"

namespace fl {

enum class BlockCodec { null, deflate, snappy, bzip2, xz, zstandard };

/// What a writer was asked for.
struct CodecChoice {
  BlockCodec codec = BlockCodec::null;
  std::optional<int> level = {};  ///< none: the library's default
};

/// By Avro's name, to the letter.
std::optional<BlockCodec> find_block_codec(std::string_view name);
/// Avro's name.
std::string_view block_codec_name(BlockCodec codec);
/// All names, null first.
std::vector<std::string> block_codec_names();

/// Not thread-safe; what it holds is used again for the next block.
class BlockCompressor {
 public:
  virtual ~BlockCompressor() = default;
  /// `block` packed becomes the content of `out`. Errors: class bug, which only a fault of the
  /// codec's library or a lack of memory causes.
  virtual Status compress(std::string_view block, GapBuffer& out) = 0;
};

/// Not thread-safe; usable after an error as before.
class BlockDecompressor {
 public:
  virtual ~BlockDecompressor() = default;
  /// `packed`, whole, unpacked becomes the content of `out`, at most `limit` bytes. Errors: class
  /// input, naming the codec, for bytes that it did not write and for more than `limit`.
  virtual Status decompress(std::string_view packed, std::size_t limit, GapBuffer& out) = 0;
};

/// Levels: deflate 0 to 9, bzip2 1 to 9, xz 0 to 9, zstandard 1 to 22. Errors: class usage for a
/// level that the codec does not have, class config if its library is not installed.
Result<std::unique_ptr<BlockCompressor>> open_compressor(const CodecChoice& choice);
/// The errors of class usage of open_compressor(), without opening.
Status check_level(const CodecChoice& choice);
/// Errors: class config if the codec's library is not installed.
Result<std::unique_ptr<BlockDecompressor>> open_decompressor(BlockCodec codec);

}  // namespace fl
