#include "common/avrorpc/zlib_stream.h"

#include <zlib.h>

#include <algorithm>
#include <climits>
#include <new>

namespace fl {
namespace {

Bytef* as_bytes(const char* text) {
  // zlib reads next_in, though it is not const.
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text));
}

}  // namespace

Deflater::Deflater(int level) : stream_(std::make_unique<z_stream_s>()) {
  if (deflateInit(stream_.get(), level) != Z_OK) {
    throw std::bad_alloc();
  }
}

Deflater::~Deflater() { (void)deflateEnd(stream_.get()); }

void Deflater::add(std::string& out, std::string_view bytes) {
  constexpr std::size_t kPiece = 16 << 10;
  char piece[kPiece];
  do {
    const std::size_t some = std::min<std::size_t>(bytes.size(), UINT_MAX);
    stream_->next_in = as_bytes(bytes.data());
    stream_->avail_in = static_cast<uInt>(some);
    bytes.remove_prefix(some);
    do {
      stream_->next_out = reinterpret_cast<Bytef*>(piece);
      stream_->avail_out = kPiece;
      (void)deflate(stream_.get(), bytes.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH);
      out.append(piece, kPiece - stream_->avail_out);
    } while (stream_->avail_out == 0);
  } while (!bytes.empty());
}

Inflater::Inflater() : stream_(std::make_unique<z_stream_s>()) {
  if (inflateInit(stream_.get()) != Z_OK) {
    throw std::bad_alloc();
  }
}

Inflater::~Inflater() { (void)inflateEnd(stream_.get()); }

Result<std::size_t> Inflater::take(std::string_view& packed, char* out, std::size_t size) {
  if (is_over_) {
    packed = {};  // a client ends its stream before it closes
    return std::size_t{0};
  }
  const std::size_t some = std::min<std::size_t>(packed.size(), UINT_MAX);
  stream_->next_in = as_bytes(packed.data());
  stream_->avail_in = static_cast<uInt>(some);
  stream_->next_out = reinterpret_cast<Bytef*>(out);
  stream_->avail_out = static_cast<uInt>(size);
  const int code = inflate(stream_.get(), Z_SYNC_FLUSH);
  packed.remove_prefix(some - stream_->avail_in);
  if (code == Z_STREAM_END) {
    is_over_ = true;
  } else if (code == Z_MEM_ERROR) {
    throw std::bad_alloc();
  } else if (code != Z_OK && code != Z_BUF_ERROR) {
    return Error{ErrorClass::input, "this is not a deflate stream",
                 "compression-type must be the same on both sides"};
  }
  return size - stream_->avail_out;
}

}  // namespace fl
