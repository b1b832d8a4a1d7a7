// lz4(1): the library's frames.
#include <lz4frame.h>

#include <memory>
#include <string_view>

#include "common/base/shared_library.h"
#include "common/compress/member_decompressor.h"

namespace fl {
namespace {

class Lz4Decompressor final : public MemberDecompressor {
 public:
  struct Library {
    decltype(&::LZ4F_createDecompressionContext) create = nullptr;
    decltype(&::LZ4F_freeDecompressionContext) free = nullptr;
    decltype(&::LZ4F_decompress) decompress = nullptr;
    decltype(&::LZ4F_isError) is_error = nullptr;
    decltype(&::LZ4F_getErrorName) error_name = nullptr;
  };

  static OpenedStream open() {
    Result<SharedLibrary> library = SharedLibrary::load("liblz4.so.1", "liblz4-1");
    if (!library) {
      return library.error();
    }
    Library lz4;
    library->find("LZ4F_createDecompressionContext", lz4.create);
    library->find("LZ4F_freeDecompressionContext", lz4.free);
    library->find("LZ4F_decompress", lz4.decompress);
    library->find("LZ4F_isError", lz4.is_error);
    library->find("LZ4F_getErrorName", lz4.error_name);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    auto decoder = std::make_unique<Lz4Decompressor>(lz4);
    if (lz4.is_error(lz4.create(&decoder->context_, LZ4F_VERSION)) != 0) {
      return decoder_not_started(Compression::lz4);
    }
    return std::unique_ptr<StreamDecompressor>(std::move(decoder));
  }

  explicit Lz4Decompressor(const Library& lz4) : MemberDecompressor(Compression::lz4), lz4_(lz4) {}
  Lz4Decompressor(const Lz4Decompressor&) = delete;
  Lz4Decompressor& operator=(const Lz4Decompressor&) = delete;
  ~Lz4Decompressor() override { (void)lz4_.free(context_); }

 private:
  Step run(std::string_view in, std::uint8_t* to, std::size_t room) override {
    Step step;
    step.consumed = in.size();
    step.produced = room;
    const std::size_t code =
        lz4_.decompress(context_, to, &step.produced, in.data(), &step.consumed, nullptr);
    if (lz4_.is_error(code) != 0) {
      step.why = lz4_.error_name(code);
    } else {
      step.ended = code == 0;
    }
    return step;
  }

  const Library lz4_;
  LZ4F_dctx* context_ = nullptr;
};

}  // namespace

OpenedStream open_lz4_stream() { return Lz4Decompressor::open(); }

}  // namespace fl
