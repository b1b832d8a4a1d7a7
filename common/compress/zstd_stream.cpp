// zstd(1).
#include <zstd.h>

#include <memory>
#include <string_view>

#include "common/base/shared_library.h"
#include "common/compress/member_decompressor.h"

namespace fl {
namespace {

class ZstdDecompressor final : public MemberDecompressor {
 public:
  struct Library {
    decltype(&::ZSTD_createDCtx) create = nullptr;
    decltype(&::ZSTD_freeDCtx) free = nullptr;
    decltype(&::ZSTD_decompressStream) decompress = nullptr;
    decltype(&::ZSTD_isError) is_error = nullptr;
    decltype(&::ZSTD_getErrorName) error_name = nullptr;
  };

  static OpenedStream open() {
    Result<SharedLibrary> library = SharedLibrary::load("libzstd.so.1", "libzstd1");
    if (!library) {
      return library.error();
    }
    Library zstd;
    library->find("ZSTD_createDCtx", zstd.create);
    library->find("ZSTD_freeDCtx", zstd.free);
    library->find("ZSTD_decompressStream", zstd.decompress);
    library->find("ZSTD_isError", zstd.is_error);
    library->find("ZSTD_getErrorName", zstd.error_name);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    auto decoder = std::make_unique<ZstdDecompressor>(zstd);
    if (decoder->context_ == nullptr) {
      return decoder_not_started(Compression::zstd);
    }
    return std::unique_ptr<StreamDecompressor>(std::move(decoder));
  }

  explicit ZstdDecompressor(const Library& zstd)
      : MemberDecompressor(Compression::zstd), zstd_(zstd), context_(zstd.create(), zstd.free) {}

 private:
  Step run(std::string_view in, std::uint8_t* to, std::size_t room) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer into{to, room, 0};
    const std::size_t code = zstd_.decompress(context_.get(), &into, &from);
    Step step;
    step.consumed = from.pos;
    step.produced = into.pos;
    if (zstd_.is_error(code) != 0) {
      step.why = zstd_.error_name(code);
    } else {
      step.ended = code == 0;
    }
    return step;
  }

  const Library zstd_;
  std::unique_ptr<ZSTD_DCtx, decltype(&::ZSTD_freeDCtx)> context_;
};

}  // namespace

OpenedStream open_zstd_stream() { return ZstdDecompressor::open(); }

}  // namespace fl
