// xz(1): liblzma.
#include <lzma.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "common/base/shared_library.h"
#include "common/compress/member_decompressor.h"

namespace fl {
namespace {

constexpr std::uint64_t kXzMemory = 80ULL << 20;

class XzDecompressor final : public MemberDecompressor {
 public:
  struct Library {
    decltype(&::lzma_stream_decoder) decoder = nullptr;
    decltype(&::lzma_code) code = nullptr;
    decltype(&::lzma_end) end = nullptr;
  };

  static OpenedStream open() {
    Result<SharedLibrary> library = SharedLibrary::load("liblzma.so.5", "liblzma5");
    if (!library) {
      return library.error();
    }
    Library lzma;
    library->find("lzma_stream_decoder", lzma.decoder);
    library->find("lzma_code", lzma.code);
    library->find("lzma_end", lzma.end);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    return std::unique_ptr<StreamDecompressor>(std::make_unique<XzDecompressor>(lzma));
  }

  explicit XzDecompressor(const Library& lzma) : MemberDecompressor(Compression::xz), lzma_(lzma) {}
  XzDecompressor(const XzDecompressor&) = delete;
  XzDecompressor& operator=(const XzDecompressor&) = delete;
  ~XzDecompressor() override { lzma_.end(&stream_); }

 private:
  bool start(std::string_view& in) override {
    if (!is_first() && in.front() == '\0') {
      in.remove_prefix(std::min(in.find_first_not_of('\0'), in.size()));  // stream padding
      return false;
    }
    is_made_ = lzma_.decoder(&stream_, kXzMemory, 0) == LZMA_OK;
    return true;
  }

  Step run(std::string_view in, std::uint8_t* to, std::size_t room) override {
    Step step;
    if (!is_made_) {
      step.why = "out of memory";
      return step;
    }
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = to;
    stream_.avail_out = room;
    const lzma_ret code = lzma_.code(&stream_, LZMA_RUN);
    step.consumed = in.size() - stream_.avail_in;
    step.produced = room - stream_.avail_out;
    step.ended = code == LZMA_STREAM_END;
    if (code == LZMA_MEMLIMIT_ERROR) {
      step.why = "it needs more than 80 MiB of memory to decode";
    } else if (code == LZMA_FORMAT_ERROR) {
      step.why = "it does not begin as xz data does";
    } else if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) {
      step.why = "its bytes cannot be decoded";
    }
    return step;
  }

  const Library lzma_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool is_made_ = false;
};

}  // namespace

OpenedStream open_xz_stream() { return XzDecompressor::open(); }

}  // namespace fl
