// zstandard: one frame (RFC 8878) a block, written with its checksum; a reader takes several.
#include <zstd.h>

#include "common/base/shared_library.h"
#include "common/compress/codec_parts.h"

namespace fl {
namespace {

constexpr std::string_view kName = "zstandard";

struct Zstd {
  decltype(&::ZSTD_createCCtx) create_compressor = nullptr;
  decltype(&::ZSTD_freeCCtx) free_compressor = nullptr;
  decltype(&::ZSTD_CCtx_setParameter) set = nullptr;
  decltype(&::ZSTD_compressBound) bound = nullptr;
  decltype(&::ZSTD_compress2) compress = nullptr;
  decltype(&::ZSTD_createDCtx) create_decompressor = nullptr;
  decltype(&::ZSTD_freeDCtx) free_decompressor = nullptr;
  decltype(&::ZSTD_DCtx_reset) reset = nullptr;
  decltype(&::ZSTD_decompressStream) decompress = nullptr;
  decltype(&::ZSTD_isError) is_error = nullptr;
  decltype(&::ZSTD_getErrorName) error_name = nullptr;

  static Result<Zstd> load() {
    Result<SharedLibrary> library = SharedLibrary::load("libzstd.so.1", "libzstd1");
    if (!library) {
      return library.error();
    }
    Zstd zstd;
    library->find("ZSTD_createCCtx", zstd.create_compressor);
    library->find("ZSTD_freeCCtx", zstd.free_compressor);
    library->find("ZSTD_CCtx_setParameter", zstd.set);
    library->find("ZSTD_compressBound", zstd.bound);
    library->find("ZSTD_compress2", zstd.compress);
    library->find("ZSTD_createDCtx", zstd.create_decompressor);
    library->find("ZSTD_freeDCtx", zstd.free_decompressor);
    library->find("ZSTD_DCtx_reset", zstd.reset);
    library->find("ZSTD_decompressStream", zstd.decompress);
    library->find("ZSTD_isError", zstd.is_error);
    library->find("ZSTD_getErrorName", zstd.error_name);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    return zstd;
  }
};

class ZstandardCompressor final : public BlockCompressor {
 public:
  explicit ZstandardCompressor(const Zstd& zstd)
      : zstd_(zstd), context_(zstd.create_compressor(), zstd.free_compressor) {}

  bool start(int level) {
    return context_ != nullptr &&
           zstd_.is_error(zstd_.set(context_.get(), ZSTD_c_compressionLevel, level)) == 0 &&
           zstd_.is_error(zstd_.set(context_.get(), ZSTD_c_checksumFlag, 1)) == 0;
  }

  Status compress(std::string_view block, GapBuffer& out) override {
    out.set_size(0);
    out.reserve(zstd_.bound(block.size()));
    const std::size_t size =
        zstd_.compress(context_.get(), out.data(), out.capacity(), block.data(), block.size());
    if (zstd_.is_error(size) != 0) {
      return compression_failed(kName, zstd_.error_name(size));
    }
    out.set_size(size);
    return {};
  }

 private:
  const Zstd zstd_;
  std::unique_ptr<ZSTD_CCtx, decltype(&::ZSTD_freeCCtx)> context_;
};

class ZstandardDecompressor final : public BlockDecompressor {
 public:
  explicit ZstandardDecompressor(const Zstd& zstd)
      : zstd_(zstd), context_(zstd.create_decompressor(), zstd.free_decompressor) {}

  bool start() const { return context_ != nullptr; }

  Status decompress(std::string_view packed, std::size_t limit, GapBuffer& out) override {
    if (zstd_.is_error(zstd_.reset(context_.get(), ZSTD_reset_session_only)) != 0) {
      return Error{ErrorClass::bug, "cannot start zstd"};
    }
    return decode_within(kName, packed, limit, 0, out,
                         [&](const std::uint8_t* in, std::size_t size, std::uint8_t* to,
                             std::size_t room) { return step(in, size, to, room); });
  }

 private:
  DecodeStep step(const std::uint8_t* in, std::size_t size, std::uint8_t* to, std::size_t room) {
    ZSTD_inBuffer from{in, size, 0};
    ZSTD_outBuffer into{to, room, 0};
    const std::size_t code = zstd_.decompress(context_.get(), &into, &from);
    DecodeStep done;
    done.consumed = from.pos;
    done.produced = into.pos;
    if (zstd_.is_error(code) != 0) {
      done.state = DecodeStep::State::damaged;
    } else if (code == 0 && from.pos == size) {
      done.state = DecodeStep::State::end;  // else another frame follows
    }
    return done;
  }

  const Zstd zstd_;
  std::unique_ptr<ZSTD_DCtx, decltype(&::ZSTD_freeDCtx)> context_;
};

}  // namespace

OpenedCompressor open_zstandard_compressor(int level) {
  const Result<Zstd> zstd = Zstd::load();
  if (!zstd) {
    return zstd.error();
  }
  auto codec = std::make_unique<ZstandardCompressor>(*zstd);
  if (!codec->start(level)) {
    return Error{ErrorClass::bug, "cannot start zstd"};
  }
  return std::unique_ptr<BlockCompressor>(std::move(codec));
}

OpenedDecompressor open_zstandard_decompressor() {
  const Result<Zstd> zstd = Zstd::load();
  if (!zstd) {
    return zstd.error();
  }
  auto codec = std::make_unique<ZstandardDecompressor>(*zstd);
  if (!codec->start()) {
    return Error{ErrorClass::bug, "cannot start zstd"};
  }
  return std::unique_ptr<BlockDecompressor>(std::move(codec));
}

}  // namespace fl
