// What the codecs have in common; nothing outside this folder includes it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/compress/block_codec.h"

namespace fl {

using OpenedCompressor = Result<std::unique_ptr<BlockCompressor>>;
using OpenedDecompressor = Result<std::unique_ptr<BlockDecompressor>>;

OpenedCompressor open_deflate_compressor(int level);
OpenedDecompressor open_deflate_decompressor();
OpenedCompressor open_snappy_compressor();
OpenedDecompressor open_snappy_decompressor();
OpenedCompressor open_bzip2_compressor(int level);
OpenedDecompressor open_bzip2_decompressor();
OpenedCompressor open_xz_compressor(int level);
OpenedDecompressor open_xz_decompressor();
OpenedCompressor open_zstandard_compressor(int level);
OpenedDecompressor open_zstandard_decompressor();

/// "a <codec> block is damaged: <why>".
Error damaged_block(std::string_view codec, std::string_view why);
/// "a <codec> block grows beyond its limit of <limit> bytes".
Error block_beyond_limit(std::string_view codec, std::size_t limit);
/// "cannot compress a block with <codec>: <why>".
Error compression_failed(std::string_view codec, std::string_view why);

/// What one call of a library's decoder did.
struct DecodeStep {
  enum class State { more, end, damaged } state = State::more;
  std::size_t consumed = 0;
  std::size_t produced = 0;
};

/// The one loop around every streaming decoder, with the limit in it. `decode(in, in_size, out,
/// out_size)` returns a DecodeStep. Up to `slack` bytes after the end are skipped.
template <typename Decode>
Status decode_within(std::string_view codec, std::string_view packed, std::size_t limit,
                     std::size_t slack, GapBuffer& out, Decode decode) {
  constexpr std::size_t kFirst = 256 << 10;
  out.set_size(0);
  out.reserve(kFirst);
  const auto* in = reinterpret_cast<const std::uint8_t*>(packed.data());
  std::size_t left = packed.size();
  while (true) {
    if (out.size() == out.capacity()) {
      out.reserve(std::min(2 * out.capacity(), std::max(limit + 1, out.capacity() + 1)));
    }
    // One byte more than the limit tells "exactly" from "more".
    const std::size_t room = std::min(out.capacity(), limit + 1) - out.size();
    const DecodeStep step = decode(in, left, out.data() + out.size(), room);
    in += step.consumed;
    left -= step.consumed;
    out.set_size(out.size() + step.produced);
    if (out.size() > limit) {
      return block_beyond_limit(codec, limit);
    }
    if (step.state == DecodeStep::State::damaged) {
      return damaged_block(codec, "its bytes cannot be decoded");
    }
    if (step.state == DecodeStep::State::end) {
      return left <= slack ? Status() : damaged_block(codec, "bytes follow its end");
    }
    if (step.consumed == 0 && step.produced == 0) {
      return damaged_block(codec, "it ends early");
    }
  }
}

}  // namespace fl
