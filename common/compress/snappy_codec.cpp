// snappy: snappy's raw format, then the CRC32 of the uncompressed bytes, big-endian.
#include <snappy-c.h>
#include <zlib.h>

#include <climits>

#include "common/base/shared_library.h"
#include "common/compress/codec_parts.h"

namespace fl {
namespace {

constexpr std::string_view kName = "snappy";
constexpr std::size_t kChecksum = 4;

struct Snappy {
  decltype(&::snappy_compress) compress = nullptr;
  decltype(&::snappy_uncompress) uncompress = nullptr;
  decltype(&::snappy_max_compressed_length) max_compressed_length = nullptr;
  decltype(&::snappy_uncompressed_length) uncompressed_length = nullptr;
  decltype(&::crc32_z) crc32 = nullptr;

  static Result<Snappy> load() {
    Result<SharedLibrary> library = SharedLibrary::load("libsnappy.so.1", "libsnappy1v5");
    if (!library) {
      return library.error();
    }
    Result<SharedLibrary> zlib = SharedLibrary::load("libz.so.1", "zlib1g");
    if (!zlib) {
      return zlib.error();
    }
    Snappy snappy;
    library->find("snappy_compress", snappy.compress);
    library->find("snappy_uncompress", snappy.uncompress);
    library->find("snappy_max_compressed_length", snappy.max_compressed_length);
    library->find("snappy_uncompressed_length", snappy.uncompressed_length);
    zlib->find("crc32_z", snappy.crc32);
    for (const Status& status : {library->status(), zlib->status()}) {
      if (!status) {
        return status.error();
      }
    }
    return snappy;
  }

  std::uint32_t checksum(const std::uint8_t* data, std::size_t size) const {
    return static_cast<std::uint32_t>(crc32(0, data, size));
  }
};

class SnappyCompressor final : public BlockCompressor {
 public:
  explicit SnappyCompressor(const Snappy& snappy) : snappy_(snappy) {}

  Status compress(std::string_view block, GapBuffer& out) override {
    if (block.size() > UINT32_MAX) {
      return compression_failed(kName, "the block is too large");
    }
    out.set_size(0);
    std::size_t size = snappy_.max_compressed_length(block.size());
    out.reserve(size + kChecksum);
    if (snappy_.compress(block.data(), block.size(), reinterpret_cast<char*>(out.data()), &size) !=
        SNAPPY_OK) {
      return compression_failed(kName, "snappy refuses it");
    }
    const std::uint32_t sum =
        snappy_.checksum(reinterpret_cast<const std::uint8_t*>(block.data()), block.size());
    for (std::size_t i = 0; i < kChecksum; ++i) {
      out.data()[size + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    }
    out.set_size(size + kChecksum);
    return {};
  }

 private:
  const Snappy snappy_;
};

class SnappyDecompressor final : public BlockDecompressor {
 public:
  explicit SnappyDecompressor(const Snappy& snappy) : snappy_(snappy) {}

  Status decompress(std::string_view packed, std::size_t limit, GapBuffer& out) override {
    if (packed.size() <= kChecksum) {
      return damaged_block(kName, "it ends early");
    }
    const std::string_view data = packed.substr(0, packed.size() - kChecksum);
    std::size_t size = 0;
    if (snappy_.uncompressed_length(data.data(), data.size(), &size) != SNAPPY_OK) {
      return damaged_block(kName, "its bytes cannot be decoded");
    }
    if (size > limit) {
      return block_beyond_limit(kName, limit);
    }
    out.set_size(0);
    out.reserve(std::max<std::size_t>(size, 1));
    if (snappy_.uncompress(data.data(), data.size(), reinterpret_cast<char*>(out.data()), &size) !=
        SNAPPY_OK) {
      return damaged_block(kName, "its bytes cannot be decoded");
    }
    std::uint32_t sum = 0;
    for (const char byte : packed.substr(data.size())) {
      sum = sum << 8 | static_cast<std::uint8_t>(byte);
    }
    if (sum != snappy_.checksum(out.data(), size)) {
      return damaged_block(kName, "its checksum does not match");
    }
    out.set_size(size);
    return {};
  }

 private:
  const Snappy snappy_;
};

}  // namespace

OpenedCompressor open_snappy_compressor() {
  const Result<Snappy> snappy = Snappy::load();
  if (!snappy) {
    return snappy.error();
  }
  return std::unique_ptr<BlockCompressor>(std::make_unique<SnappyCompressor>(*snappy));
}

OpenedDecompressor open_snappy_decompressor() {
  const Result<Snappy> snappy = Snappy::load();
  if (!snappy) {
    return snappy.error();
  }
  return std::unique_ptr<BlockDecompressor>(std::make_unique<SnappyDecompressor>(*snappy));
}

}  // namespace fl
