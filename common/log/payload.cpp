#include "common/log/payload.h"

#include <utility>

namespace fl {
namespace {

constexpr int kLevel = 1;  // the log must keep up with its source

}  // namespace

Status PayloadPacker::open(PayloadCodec codec) {
  if (codec == PayloadCodec::none) {
    return {};
  }
  Result<std::unique_ptr<BlockCompressor>> opened =
      open_compressor({BlockCodec::zstandard, kLevel});
  if (!opened) {
    return opened.error();
  }
  compressor_ = std::move(*opened);
  return {};
}

Result<std::uint16_t> PayloadPacker::pack(std::string_view& payload) {
  if (!compressor_) {
    return std::uint16_t{0};
  }
  if (Status packed = compressor_->compress(payload, packed_); !packed) {
    return packed.error();
  }
  if (packed_.size() >= payload.size()) {
    return std::uint16_t{0};
  }
  payload = packed_.view();
  return static_cast<std::uint16_t>(PayloadCodec::zstd);
}

Status PayloadUnpacker::unpack(RecordHeader& header, std::uint8_t*& payload) {
  if (!is_packed(header)) {
    return {};
  }
  if ((header.flags & kFlagCodecMask) != static_cast<std::uint16_t>(PayloadCodec::zstd)) {
    return Error{ErrorClass::config, "a record of the log was packed by a later version of fl",
                 "use that version, or a newer one"};
  }
  if (!decompressor_) {
    Result<std::unique_ptr<BlockDecompressor>> opened = open_decompressor(BlockCodec::zstandard);
    if (!opened) {
      return opened.error();
    }
    decompressor_ = std::move(*opened);
  }
  const std::string_view packed(reinterpret_cast<const char*>(payload), header.length);
  if (Status done = decompressor_->decompress(packed, kMaxPayload, unpacked_); !done) {
    return done;
  }
  payload = unpacked_.data();
  header.length = static_cast<std::uint32_t>(unpacked_.size());
  return {};
}

}  // namespace fl
