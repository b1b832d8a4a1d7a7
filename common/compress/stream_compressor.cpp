#include "common/compress/stream_compressor.h"

#include <bzlib.h>
#include <lz4.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <new>

namespace fl {
namespace {

constexpr std::size_t kOutStep = 16 << 10;
constexpr std::size_t kMaxCall = 1 << 30;  // the libraries count in unsigned int

// Gives `step` room at the end of `out` until it returns false. step(char*, size) returns through
// `used` how much of it was written.
template <typename Step>
void drain(std::string& out, Step step) {
  bool more = true;
  while (more) {
    const std::size_t size = out.size();
    out.resize(size + kOutStep);
    std::size_t used = 0;
    more = step(out.data() + size, used);
    out.resize(size + used);
  }
}

class ZlibCompressor final : public StreamCompressor {
 public:
  ZlibCompressor(bool gzip, int level) : gzip_(gzip), level_(level) {}
  ZlibCompressor(const ZlibCompressor&) = delete;
  ZlibCompressor& operator=(const ZlibCompressor&) = delete;
  ~ZlibCompressor() override {
    if (is_made_) {
      (void)deflateEnd(&stream_);
    }
  }

  void write(std::string_view bytes, std::string& out) override {
    begin();
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, kMaxCall);
      run(part, Z_NO_FLUSH, out);
      bytes.remove_prefix(part.size());
    }
  }

  void finish(std::string& out) override {
    begin();
    run({}, Z_FINISH, out);
    is_begun_ = false;
  }

  // zlib.h: (1 << (windowBits+2)) + (1 << (memLevel+9)), and some.
  std::size_t memory() const override { return is_made_ ? (256 << 10) + (16 << 10) : 0; }

 private:
  void begin() {
    if (is_begun_) {
      return;
    }
    if (!is_made_) {
      constexpr int kWindow = 15;
      if (deflateInit2(&stream_, level_, Z_DEFLATED, gzip_ ? kWindow + 16 : kWindow, 8,
                       Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::bad_alloc();
      }
      is_made_ = true;
    } else {
      (void)deflateReset(&stream_);
    }
    if (gzip_) {
      header_ = {};
      header_.os = 255;
      (void)deflateSetHeader(&stream_, &header_);
    }
    is_begun_ = true;
  }

  void run(std::string_view bytes, int flush, std::string& out) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    drain(out, [&](char* to, std::size_t& used) {
      stream_.next_out = reinterpret_cast<Bytef*>(to);
      stream_.avail_out = kOutStep;
      (void)deflate(&stream_, flush);  // fails only for arguments that are never given here
      used = kOutStep - stream_.avail_out;
      return stream_.avail_out == 0;
    });
  }

  const bool gzip_;
  const int level_;
  bool is_made_ = false;
  bool is_begun_ = false;
  z_stream stream_{};
  gz_header header_{};
};

class Bzip2Compressor final : public StreamCompressor {
 public:
  explicit Bzip2Compressor(int level) : level_(level) {}
  Bzip2Compressor(const Bzip2Compressor&) = delete;
  Bzip2Compressor& operator=(const Bzip2Compressor&) = delete;
  ~Bzip2Compressor() override { end(); }

  void write(std::string_view bytes, std::string& out) override {
    begin();
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, kMaxCall);
      run(part, BZ_RUN, out);
      bytes.remove_prefix(part.size());
    }
  }

  void finish(std::string& out) override {
    begin();
    run({}, BZ_FINISH, out);
    end();  // the library cannot begin again without it
  }

  // bzip2(1): 400k + 8 times the block.
  std::size_t memory() const override {
    return is_made_ ? (400 << 10) + 8 * std::size_t{100'000} * static_cast<std::size_t>(level_) : 0;
  }

 private:
  void begin() {
    if (!is_made_) {
      stream_ = {};
      if (BZ2_bzCompressInit(&stream_, level_, 0, 0) != BZ_OK) {
        throw std::bad_alloc();
      }
      is_made_ = true;
    }
  }

  void end() {
    if (is_made_) {
      (void)BZ2_bzCompressEnd(&stream_);
      is_made_ = false;
    }
  }

  void run(std::string_view bytes, int action, std::string& out) {
    stream_.next_in = const_cast<char*>(bytes.data());
    stream_.avail_in = static_cast<unsigned>(bytes.size());
    drain(out, [&](char* to, std::size_t& used) {
      stream_.next_out = to;
      stream_.avail_out = kOutStep;
      const int result = BZ2_bzCompress(&stream_, action);
      used = kOutStep - stream_.avail_out;
      return action == BZ_RUN ? stream_.avail_in != 0 : result == BZ_FINISH_OK;
    });
  }

  const int level_;
  bool is_made_ = false;
  bz_stream stream_{};
};

class ZstdCompressor final : public StreamCompressor {
 public:
  explicit ZstdCompressor(int level) : level_(level) {}

  void write(std::string_view bytes, std::string& out) override {
    run(bytes, ZSTD_e_continue, out);
  }

  void finish(std::string& out) override { run({}, ZSTD_e_end, out); }

  std::size_t memory() const override {
    return context_ == nullptr ? 0 : ZSTD_sizeof_CCtx(context_.get());
  }

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const { (void)ZSTD_freeCCtx(context); }
  };

  void begin() {
    if (context_ != nullptr) {
      return;
    }
    context_.reset(ZSTD_createCCtx());
    if (context_ == nullptr) {
      throw std::bad_alloc();
    }
    set(ZSTD_c_compressionLevel, level_);
    set(ZSTD_c_checksumFlag, 1);
    // Logs gain nothing from more, and a context grows with it; levels below 3 have less anyway.
    if (level_ >= 3) {
      set(ZSTD_c_windowLog, 20);
    }
  }

  void set(ZSTD_cParameter parameter, int value) {
    (void)ZSTD_CCtx_setParameter(context_.get(), parameter, value);
  }

  void run(std::string_view bytes, ZSTD_EndDirective directive, std::string& out) {
    begin();
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    drain(out, [&](char* to, std::size_t& used) {
      ZSTD_outBuffer room{to, kOutStep, 0};
      const std::size_t left = ZSTD_compressStream2(context_.get(), &room, &in, directive);
      if (ZSTD_isError(left) != 0) {
        throw std::bad_alloc();  // the only failure that is possible with these parameters
      }
      used = room.pos;
      return directive == ZSTD_e_end ? left != 0 : in.pos != in.size || room.pos == room.size;
    });
  }

  const int level_;
  std::unique_ptr<ZSTD_CCtx, Free> context_;
};

}  // namespace

CompressionLevels compression_levels(StreamFormat format) {
  switch (format) {
    case StreamFormat::gzip:
    case StreamFormat::zlib:
      return {1, 6, 9};
    case StreamFormat::bzip2:
      return {1, 9, 9};
    case StreamFormat::zstd:
      return {1, 1, 19};  // above it logs gain a few percent for half the speed
  }
  return {1, 1, 1};
}

std::unique_ptr<StreamCompressor> make_stream_compressor(StreamFormat format, int level) {
  switch (format) {
    case StreamFormat::gzip:
    case StreamFormat::zlib:
      return std::make_unique<ZlibCompressor>(format == StreamFormat::gzip, level);
    case StreamFormat::bzip2:
      return std::make_unique<Bzip2Compressor>(level);
    case StreamFormat::zstd:
      return std::make_unique<ZstdCompressor>(level);
  }
  return nullptr;
}

void append_snappy_block(std::string_view bytes, std::string& out) {
  const std::size_t size = out.size();
  out.resize(size + snappy::MaxCompressedLength(bytes.size()));
  std::size_t length = 0;
  snappy::RawCompress(bytes.data(), bytes.size(), out.data() + size, &length);
  out.resize(size + length);
}

void append_lz4_block(std::string_view bytes, std::string& out) {
  const std::size_t size = out.size();
  const int source = static_cast<int>(bytes.size());
  const int most = LZ4_compressBound(source);
  out.resize(size + static_cast<std::size_t>(most));
  const int length = LZ4_compress_default(bytes.data(), out.data() + size, source, most);
  out.resize(size + static_cast<std::size_t>(length));
}

}  // namespace fl
