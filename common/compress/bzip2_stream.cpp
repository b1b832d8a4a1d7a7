// bzip2(1).
#include <bzlib.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "common/base/shared_library.h"
#include "common/compress/member_decompressor.h"

namespace fl {
namespace {

class Bzip2Decompressor final : public MemberDecompressor {
 public:
  struct Library {
    decltype(&::BZ2_bzDecompressInit) init = nullptr;
    decltype(&::BZ2_bzDecompress) decompress = nullptr;
    decltype(&::BZ2_bzDecompressEnd) end = nullptr;
  };

  static OpenedStream open() {
    Result<SharedLibrary> library = SharedLibrary::load("libbz2.so.1.0", "libbz2-1.0");
    if (!library) {
      return library.error();
    }
    Library bzip2;
    library->find("BZ2_bzDecompressInit", bzip2.init);
    library->find("BZ2_bzDecompress", bzip2.decompress);
    library->find("BZ2_bzDecompressEnd", bzip2.end);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    return std::unique_ptr<StreamDecompressor>(std::make_unique<Bzip2Decompressor>(bzip2));
  }

  explicit Bzip2Decompressor(const Library& bzip2)
      : MemberDecompressor(Compression::bzip2), bzip2_(bzip2) {}
  Bzip2Decompressor(const Bzip2Decompressor&) = delete;
  Bzip2Decompressor& operator=(const Bzip2Decompressor&) = delete;
  ~Bzip2Decompressor() override { end(); }

 private:
  bool start(std::string_view&) override {
    end();  // the library cannot begin again without it
    stream_ = {};
    is_made_ = bzip2_.init(&stream_, 0, 0) == BZ_OK;
    return true;
  }

  Step run(std::string_view in, std::uint8_t* to, std::size_t room) override {
    Step step;
    if (!is_made_) {
      step.why = "out of memory";
      return step;
    }
    const auto some = static_cast<unsigned>(std::min(in.size(), kMaxCall));
    const auto most = static_cast<unsigned>(std::min(room, kMaxCall));
    stream_.next_in = const_cast<char*>(in.data());
    stream_.avail_in = some;
    stream_.next_out = reinterpret_cast<char*>(to);
    stream_.avail_out = most;
    const int code = bzip2_.decompress(&stream_);
    step.consumed = some - stream_.avail_in;
    step.produced = most - stream_.avail_out;
    step.ended = code == BZ_STREAM_END;
    if (code != BZ_OK && code != BZ_STREAM_END) {
      step.why = code == BZ_DATA_ERROR_MAGIC ? "it does not begin as bzip2 data does"
                                             : "its bytes cannot be decoded";
    }
    return step;
  }

  void end() {
    if (is_made_) {
      (void)bzip2_.end(&stream_);
      is_made_ = false;
    }
  }

  const Library bzip2_;
  bz_stream stream_{};
  bool is_made_ = false;
};

}  // namespace

OpenedStream open_bzip2_stream() { return Bzip2Decompressor::open(); }

}  // namespace fl
