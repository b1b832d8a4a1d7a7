// xz: one .xz stream a block, with a CRC64 as xz(1) writes it.
#include <lzma.h>

#include <bit>

#include "common/base/shared_library.h"
#include "common/compress/codec_parts.h"

namespace fl {
namespace {

constexpr std::string_view kName = "xz";
// Level 9 needs 65 MiB to unpack; xz has no level that needs more than this.
constexpr std::uint64_t kMostMemory = 80ULL << 20;

struct Lzma {
  decltype(&::lzma_lzma_preset) preset = nullptr;
  decltype(&::lzma_stream_buffer_bound) bound = nullptr;
  decltype(&::lzma_stream_buffer_encode) encode = nullptr;
  decltype(&::lzma_stream_decoder) decoder = nullptr;
  decltype(&::lzma_code) code = nullptr;
  decltype(&::lzma_end) end = nullptr;

  static Result<Lzma> load() {
    Result<SharedLibrary> library = SharedLibrary::load("liblzma.so.5", "liblzma5");
    if (!library) {
      return library.error();
    }
    Lzma lzma;
    library->find("lzma_lzma_preset", lzma.preset);
    library->find("lzma_stream_buffer_bound", lzma.bound);
    library->find("lzma_stream_buffer_encode", lzma.encode);
    library->find("lzma_stream_decoder", lzma.decoder);
    library->find("lzma_code", lzma.code);
    library->find("lzma_end", lzma.end);
    if (Status status = library->status(); !status) {
      return status.error();
    }
    return lzma;
  }
};

class XzCompressor final : public BlockCompressor {
 public:
  XzCompressor(const Lzma& lzma, const lzma_options_lzma& options)
      : lzma_(lzma), options_(options) {}

  Status compress(std::string_view block, GapBuffer& out) override {
    out.set_size(0);
    out.reserve(lzma_.bound(block.size()));
    // A dictionary larger than the block only wastes memory: 94 MiB at level 6.
    lzma_options_lzma options = options_;
    options.dict_size = static_cast<std::uint32_t>(std::clamp<std::size_t>(
        std::bit_ceil(block.size()), LZMA_DICT_SIZE_MIN, options_.dict_size));
    lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
    std::size_t size = 0;
    if (lzma_.encode(filters, LZMA_CHECK_CRC64, nullptr,
                     reinterpret_cast<const std::uint8_t*>(block.data()), block.size(), out.data(),
                     &size, out.capacity()) != LZMA_OK) {
      return compression_failed(kName, "liblzma does not finish it");
    }
    out.set_size(size);
    return {};
  }

 private:
  const Lzma lzma_;
  const lzma_options_lzma options_;
};

class XzDecompressor final : public BlockDecompressor {
 public:
  explicit XzDecompressor(const Lzma& lzma) : lzma_(lzma) {}
  ~XzDecompressor() override { lzma_.end(&stream_); }
  XzDecompressor(const XzDecompressor&) = delete;
  XzDecompressor& operator=(const XzDecompressor&) = delete;

  Status decompress(std::string_view packed, std::size_t limit, GapBuffer& out) override {
    // Starting over uses the memory of the block before.
    if (lzma_.decoder(&stream_, kMostMemory, 0) != LZMA_OK) {
      return Error{ErrorClass::bug, "cannot start liblzma"};
    }
    return decode_within(kName, packed, limit, 0, out,
                         [&](const std::uint8_t* in, std::size_t size, std::uint8_t* to,
                             std::size_t room) { return step(in, size, to, room); });
  }

 private:
  DecodeStep step(const std::uint8_t* in, std::size_t size, std::uint8_t* to, std::size_t room) {
    stream_.next_in = in;
    stream_.avail_in = size;
    stream_.next_out = to;
    stream_.avail_out = room;
    const lzma_ret code = lzma_.code(&stream_, LZMA_RUN);
    DecodeStep done;
    done.consumed = size - stream_.avail_in;
    done.produced = room - stream_.avail_out;
    if (code == LZMA_STREAM_END) {
      done.state = DecodeStep::State::end;
    } else if (code != LZMA_OK && code != LZMA_BUF_ERROR) {
      done.state = DecodeStep::State::damaged;
    }
    return done;
  }

  const Lzma lzma_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

}  // namespace

OpenedCompressor open_xz_compressor(int level) {
  const Result<Lzma> lzma = Lzma::load();
  if (!lzma) {
    return lzma.error();
  }
  lzma_options_lzma options{};
  if (lzma->preset(&options, static_cast<std::uint32_t>(level)) != 0) {
    return Error{ErrorClass::bug, "liblzma does not know level " + std::to_string(level)};
  }
  return std::unique_ptr<BlockCompressor>(std::make_unique<XzCompressor>(*lzma, options));
}

OpenedDecompressor open_xz_decompressor() {
  const Result<Lzma> lzma = Lzma::load();
  if (!lzma) {
    return lzma.error();
  }
  return std::unique_ptr<BlockDecompressor>(std::make_unique<XzDecompressor>(*lzma));
}

}  // namespace fl
