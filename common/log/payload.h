// The payload of a record, packed or not (fl-log(5)).
#pragma once

#include <memory>
#include <string_view>

#include "common/compress/block_codec.h"
#include "common/log/format.h"
#include "common/stream/block_builder.h"

namespace fl {

/// What a record's flags say about its payload.
enum class PayloadCodec : std::uint16_t { none = 0, zstd = 1 };

constexpr std::uint16_t kFlagCodecMask = 0x0f;

/// Packs payloads; what it holds is used again for the next one.
class PayloadPacker {
 public:
  Status open(PayloadCodec codec);
  /// Points `payload` to its packed form and returns the flags that say so, if that is shorter;
  /// else 0. What `payload` points to then is valid until the next call.
  Result<std::uint16_t> pack(std::string_view& payload);

 private:
  std::unique_ptr<BlockCompressor> compressor_;  // none: nothing is packed
  GapBuffer packed_{0, 0};
};

/// Unpacks payloads into memory of its own, where there is room for a frame around them.
class PayloadUnpacker {
 public:
  static bool is_packed(const RecordHeader& header) { return (header.flags & kFlagCodecMask) != 0; }
  /// For a packed one: points `payload` to the unpacked bytes, which are valid until the next call
  /// and may be overwritten, and sets header.length. Errors: class input for bytes that the codec
  /// did not write, or more than a record may have; config for a codec of a later version, or if
  /// its library is not installed.
  Status unpack(RecordHeader& header, std::uint8_t*& payload);

 private:
  std::unique_ptr<BlockDecompressor> decompressor_;
  GapBuffer unpacked_{Block::kBefore, Block::kAfter};
};

}  // namespace fl
