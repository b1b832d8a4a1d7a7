// bzip2: one bzip2 stream a block. The library cannot start over with what it holds, so each block
// has its own start and end.
#include <bzlib.h>

#include <climits>

#include "common/base/shared_library.h"
#include "common/compress/codec_parts.h"

namespace fl {
namespace {

constexpr std::string_view kName = "bzip2";
constexpr std::size_t kMost = UINT_MAX / 2;

struct Bzip2 {
  decltype(&::BZ2_bzBuffToBuffCompress) compress = nullptr;
  decltype(&::BZ2_bzDecompressInit) decompress_init = nullptr;
  decltype(&::BZ2_bzDecompress) decompress = nullptr;
  decltype(&::BZ2_bzDecompressEnd) decompress_end = nullptr;

  static Result<Bzip2> load() {
    Result<SharedLibrary> library = SharedLibrary::load("libbz2.so.1.0", "libbz2-1.0");
    if (!library) {
      return library.error();
    }
    Bzip2 bzip2;
    library->find("BZ2_bzBuffToBuffCompress", bzip2.compress);
    library->find("BZ2_bzDecompressInit", bzip2.decompress_init);
    library->find("BZ2_bzDecompress", bzip2.decompress);
    library->find("BZ2_bzDecompressEnd", bzip2.decompress_end);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    return bzip2;
  }
};

// bzip2 takes its input as not const and does not write to it.
char* input(const void* data) { return static_cast<char*>(const_cast<void*>(data)); }

class Bzip2Compressor final : public BlockCompressor {
 public:
  Bzip2Compressor(const Bzip2& bzip2, int level) : bzip2_(bzip2), level_(level) {}

  Status compress(std::string_view block, GapBuffer& out) override {
    if (block.size() > kMost) {
      return compression_failed(kName, "the block is too large");
    }
    out.set_size(0);
    out.reserve(block.size() + block.size() / 100 + 600);  // the manual's bound
    auto size = static_cast<unsigned>(std::min(out.capacity(), kMost));
    // A level above what the block needs only wastes memory.
    const int needed = static_cast<int>(std::min<std::size_t>(block.size() / 100'000 + 1, 9));
    if (bzip2_.compress(reinterpret_cast<char*>(out.data()), &size, input(block.data()),
                        static_cast<unsigned>(block.size()), std::min(level_, needed), 0,
                        0) != BZ_OK) {
      return compression_failed(kName, "bzip2 does not finish it");
    }
    out.set_size(size);
    return {};
  }

 private:
  const Bzip2 bzip2_;
  const int level_;
};

class Bzip2Decompressor final : public BlockDecompressor {
 public:
  explicit Bzip2Decompressor(const Bzip2& bzip2) : bzip2_(bzip2) {}

  Status decompress(std::string_view packed, std::size_t limit, GapBuffer& out) override {
    bz_stream stream{};
    if (bzip2_.decompress_init(&stream, 0, 0) != BZ_OK) {
      return Error{ErrorClass::bug, "cannot start bzip2"};
    }
    Status status =
        decode_within(kName, packed, limit, 0, out,
                      [&](const std::uint8_t* in, std::size_t size, std::uint8_t* to,
                          std::size_t room) { return step(stream, in, size, to, room); });
    bzip2_.decompress_end(&stream);
    return status;
  }

 private:
  DecodeStep step(bz_stream& stream, const std::uint8_t* in, std::size_t size, std::uint8_t* to,
                  std::size_t room) const {
    const std::size_t some = std::min(size, kMost);
    const std::size_t most = std::min(room, kMost);
    stream.next_in = input(in);
    stream.avail_in = static_cast<unsigned>(some);
    stream.next_out = reinterpret_cast<char*>(to);
    stream.avail_out = static_cast<unsigned>(most);
    const int code = bzip2_.decompress(&stream);
    DecodeStep done;
    done.consumed = some - stream.avail_in;
    done.produced = most - stream.avail_out;
    if (code == BZ_STREAM_END) {
      done.state = DecodeStep::State::end;
    } else if (code != BZ_OK) {
      done.state = DecodeStep::State::damaged;
    }
    return done;
  }

  const Bzip2 bzip2_;
};

}  // namespace

OpenedCompressor open_bzip2_compressor(int level) {
  const Result<Bzip2> bzip2 = Bzip2::load();
  if (!bzip2) {
    return bzip2.error();
  }
  return std::unique_ptr<BlockCompressor>(std::make_unique<Bzip2Compressor>(*bzip2, level));
}

OpenedDecompressor open_bzip2_decompressor() {
  const Result<Bzip2> bzip2 = Bzip2::load();
  if (!bzip2) {
    return bzip2.error();
  }
  return std::unique_ptr<BlockDecompressor>(std::make_unique<Bzip2Decompressor>(*bzip2));
}

}  // namespace fl
