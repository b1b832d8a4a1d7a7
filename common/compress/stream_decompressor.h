// Decompression that goes along with the data: compressed bytes in as they come, text out as there
// is room. Block codecs of Avro containers are in block_codec.h.
//
// Output goes into the caller's buffer, so a few bytes that unpack to gigabytes cost time and never
// memory. What a decoder itself holds is bounded by its library and by the limits below, whatever a
// header asks for: 80 MiB for xz (level 9), 128 MiB for zstd (its own limit for untrusted frames).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// The formats of compressed files that gzip(1), zstd(1), bzip2(1), xz(1) and lz4(1) write.
enum class Compression { none, gzip, zstd, bzip2, xz, lz4 };

/// "gzip", "zstd", ...; "none".
std::string_view name_of(Compression compression);
/// The compression with this name; none for any other word.
Compression compression_named(std::string_view name);
/// By the end of a file's name (".gz", ".zst", ".bz2", ".xz", ".lz4"), in any case.
Compression compression_of_file(std::string_view file_name);
/// By the first bytes of a file; none if they are too few or something else.
Compression compression_of_bytes(std::string_view bytes);
/// So many bytes are enough for compression_of_bytes().
constexpr std::size_t kCompressionMagicBytes = 6;

/// Decodes one file: one member (stream, frame) or several in a row, which count as one text.
///
///   while (there is room and decoder->decode(in, to, room)) ...; in the end complete().
class StreamDecompressor {
 public:
  virtual ~StreamDecompressor() = default;
  /// Takes bytes off the front of `in` and writes at most `room` bytes to `to`; returns how many it
  /// wrote. 0 with room left means that it needs more input, and then `in` is empty. Errors: class
  /// input for bytes that the format does not have. After an error it must not be called again.
  virtual Result<std::size_t> decode(std::string_view& in, std::uint8_t* to, std::size_t room) = 0;
  /// True if the input may end here: all that was taken are whole members, at least one.
  virtual bool complete() const = 0;
};

/// Loads the library when it is first used. Errors: class config if it is not installed.
Result<std::unique_ptr<StreamDecompressor>> open_stream_decompressor(Compression compression);

}  // namespace fl
