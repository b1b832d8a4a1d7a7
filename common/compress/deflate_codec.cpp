// deflate: raw deflate (RFC 1951), without zlib's header and checksum.
#include <zlib.h>

#include <climits>

#include "common/base/shared_library.h"
#include "common/compress/codec_parts.h"

namespace fl {
namespace {

constexpr std::string_view kName = "deflate";
constexpr int kRaw = -15;  // window of 32 KiB, no header
constexpr std::size_t kMostInput = UINT_MAX / 2;

struct Zlib {
  decltype(&::deflateInit2_) deflate_init = nullptr;
  decltype(&::deflateReset) deflate_reset = nullptr;
  decltype(&::deflateBound) deflate_bound = nullptr;
  decltype(&::deflate) deflate = nullptr;
  decltype(&::deflateEnd) deflate_end = nullptr;
  decltype(&::inflateInit2_) inflate_init = nullptr;
  decltype(&::inflateReset) inflate_reset = nullptr;
  decltype(&::inflate) inflate = nullptr;
  decltype(&::inflateEnd) inflate_end = nullptr;

  static Result<Zlib> load() {
    Result<SharedLibrary> library = SharedLibrary::load("libz.so.1", "zlib1g");
    if (!library) {
      return library.error();
    }
    Zlib z;
    library->find("deflateInit2_", z.deflate_init);
    library->find("deflateReset", z.deflate_reset);
    library->find("deflateBound", z.deflate_bound);
    library->find("deflate", z.deflate);
    library->find("deflateEnd", z.deflate_end);
    library->find("inflateInit2_", z.inflate_init);
    library->find("inflateReset", z.inflate_reset);
    library->find("inflate", z.inflate);
    library->find("inflateEnd", z.inflate_end);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    return z;
  }
};

// zlib takes its input as not const and does not write to it.
Bytef* input(const void* data) { return static_cast<Bytef*>(const_cast<void*>(data)); }

class DeflateCompressor final : public BlockCompressor {
 public:
  explicit DeflateCompressor(const Zlib& zlib) : zlib_(zlib) {}
  ~DeflateCompressor() override {
    if (ready_) {
      zlib_.deflate_end(&stream_);
    }
  }
  DeflateCompressor(const DeflateCompressor&) = delete;
  DeflateCompressor& operator=(const DeflateCompressor&) = delete;

  bool start(int level) {
    ready_ = zlib_.deflate_init(&stream_, level, Z_DEFLATED, kRaw, 8, Z_DEFAULT_STRATEGY,
                                ZLIB_VERSION, static_cast<int>(sizeof stream_)) == Z_OK;
    return ready_;
  }

  Status compress(std::string_view block, GapBuffer& out) override {
    if (block.size() > kMostInput || zlib_.deflate_reset(&stream_) != Z_OK) {
      return compression_failed(kName, "the block is too large");
    }
    out.set_size(0);
    out.reserve(zlib_.deflate_bound(&stream_, block.size()));
    stream_.next_in = input(block.data());
    stream_.avail_in = static_cast<uInt>(block.size());
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(out.capacity());
    if (zlib_.deflate(&stream_, Z_FINISH) != Z_STREAM_END) {
      return compression_failed(kName, "zlib does not finish it");
    }
    out.set_size(out.capacity() - stream_.avail_out);
    return {};
  }

 private:
  const Zlib zlib_;
  z_stream stream_{};
  bool ready_ = false;
};

class DeflateDecompressor final : public BlockDecompressor {
 public:
  explicit DeflateDecompressor(const Zlib& zlib) : zlib_(zlib) {}
  ~DeflateDecompressor() override {
    if (ready_) {
      zlib_.inflate_end(&stream_);
    }
  }
  DeflateDecompressor(const DeflateDecompressor&) = delete;
  DeflateDecompressor& operator=(const DeflateDecompressor&) = delete;

  bool start() {
    ready_ =
        zlib_.inflate_init(&stream_, kRaw, ZLIB_VERSION, static_cast<int>(sizeof stream_)) == Z_OK;
    return ready_;
  }

  Status decompress(std::string_view packed, std::size_t limit, GapBuffer& out) override {
    if (zlib_.inflate_reset(&stream_) != Z_OK) {
      return Error{ErrorClass::bug, "cannot start zlib"};
    }
    // Python's avro leaves up to four bytes of zlib's checksum after the data.
    constexpr std::size_t kSlack = 4;
    return decode_within(kName, packed, limit, kSlack, out,
                         [&](const std::uint8_t* in, std::size_t size, std::uint8_t* to,
                             std::size_t room) { return step(in, size, to, room); });
  }

 private:
  DecodeStep step(const std::uint8_t* in, std::size_t size, std::uint8_t* to, std::size_t room) {
    const std::size_t some = std::min(size, kMostInput);
    const std::size_t most = std::min(room, kMostInput);
    stream_.next_in = input(in);
    stream_.avail_in = static_cast<uInt>(some);
    stream_.next_out = to;
    stream_.avail_out = static_cast<uInt>(most);
    const int code = zlib_.inflate(&stream_, Z_NO_FLUSH);
    DecodeStep done;
    done.consumed = some - stream_.avail_in;
    done.produced = most - stream_.avail_out;
    if (code == Z_STREAM_END) {
      done.state = DecodeStep::State::end;
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      done.state = DecodeStep::State::damaged;
    }
    return done;
  }

  const Zlib zlib_;
  z_stream stream_{};
  bool ready_ = false;
};

}  // namespace

OpenedCompressor open_deflate_compressor(int level) {
  const Result<Zlib> zlib = Zlib::load();
  if (!zlib) {
    return zlib.error();
  }
  auto codec = std::make_unique<DeflateCompressor>(*zlib);
  if (!codec->start(level)) {
    return Error{ErrorClass::bug, "cannot start zlib"};
  }
  return std::unique_ptr<BlockCompressor>(std::move(codec));
}

OpenedDecompressor open_deflate_decompressor() {
  const Result<Zlib> zlib = Zlib::load();
  if (!zlib) {
    return zlib.error();
  }
  auto codec = std::make_unique<DeflateDecompressor>(*zlib);
  if (!codec->start()) {
    return Error{ErrorClass::bug, "cannot start zlib"};
  }
  return std::unique_ptr<BlockDecompressor>(std::move(codec));
}

}  // namespace fl
