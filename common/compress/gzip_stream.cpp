// gzip(1): zlib's inflate.
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "common/base/shared_library.h"
#include "common/compress/member_decompressor.h"

namespace fl {
namespace {

class GzipDecompressor final : public MemberDecompressor {
 public:
  struct Library {
    decltype(&::inflateInit2_) init = nullptr;
    decltype(&::inflateReset) reset = nullptr;
    decltype(&::inflate) inflate = nullptr;
    decltype(&::inflateEnd) end = nullptr;
  };

  static OpenedStream open() {
    Result<SharedLibrary> library = SharedLibrary::load("libz.so.1", "zlib1g");
    if (!library) {
      return library.error();
    }
    Library zlib;
    library->find("inflateInit2_", zlib.init);
    library->find("inflateReset", zlib.reset);
    library->find("inflate", zlib.inflate);
    library->find("inflateEnd", zlib.end);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    auto decoder = std::make_unique<GzipDecompressor>(zlib);
    constexpr int kGzipOnly = 15 + 16;
    if (zlib.init(&decoder->stream_, kGzipOnly, ZLIB_VERSION, sizeof(z_stream)) != Z_OK) {
      return decoder_not_started(Compression::gzip);
    }
    decoder->is_made_ = true;
    return std::unique_ptr<StreamDecompressor>(std::move(decoder));
  }

  explicit GzipDecompressor(const Library& zlib)
      : MemberDecompressor(Compression::gzip), zlib_(zlib) {}
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;
  ~GzipDecompressor() override {
    if (is_made_) {
      (void)zlib_.end(&stream_);
    }
  }

 private:
  bool start(std::string_view& in) override {
    if (!is_first()) {
      // Tapes and block devices fill up with zeros, and gzip(1) skips them.
      const std::size_t zeros = std::min(in.find_first_not_of('\0'), in.size());
      if (zeros != 0) {
        in.remove_prefix(zeros);
        return false;
      }
      (void)zlib_.reset(&stream_);
    }
    return true;
  }

  Step run(std::string_view in, std::uint8_t* to, std::size_t room) override {
    const auto some = static_cast<uInt>(std::min(in.size(), kMaxCall));
    const auto most = static_cast<uInt>(std::min(room, kMaxCall));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = some;
    stream_.next_out = to;
    stream_.avail_out = most;
    const int code = zlib_.inflate(&stream_, Z_NO_FLUSH);
    Step step;
    step.consumed = some - stream_.avail_in;
    step.produced = most - stream_.avail_out;
    step.ended = code == Z_STREAM_END;
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      step.why = stream_.msg != nullptr ? stream_.msg : "its bytes cannot be decoded";
    }
    return step;
  }

  const Library zlib_;
  z_stream stream_{};
  bool is_made_ = false;
};

}  // namespace

OpenedStream open_gzip_stream() { return GzipDecompressor::open(); }

}  // namespace fl
