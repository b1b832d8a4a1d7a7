// The libraries alone: reads a file, compresses it in pieces of 256 KiB, writes and syncs another.
// usage: compress_file gzip|deflate|zstd LEVEL FROM TO
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr std::size_t kPiece = 256 << 10;

void write_all(int fd, const char* bytes, std::size_t size) {
  while (size != 0) {
    const ssize_t wrote = write(fd, bytes, size);
    if (wrote <= 0) {
      std::exit(74);
    }
    bytes += wrote;
    size -= static_cast<std::size_t>(wrote);
  }
}

/// `window`: as zlib knows it, with 16 more for gzip's frame, negative for none.
void zlib(int from, int to, int level, int window) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::exit(70);
  }
  std::vector<char> in(kPiece);
  std::vector<char> out(kPiece);
  int result = Z_OK;
  while (result != Z_STREAM_END) {
    const ssize_t got = read(from, in.data(), in.size());
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(got > 0 ? got : 0);
    do {
      stream.next_out = reinterpret_cast<Bytef*>(out.data());
      stream.avail_out = kPiece;
      result = deflate(&stream, got > 0 ? Z_NO_FLUSH : Z_FINISH);
      write_all(to, out.data(), kPiece - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  (void)deflateEnd(&stream);
}

void zstd(int from, int to, int level) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::vector<char> bytes(kPiece);
  std::vector<char> out(kPiece);
  ssize_t got = 1;
  while (got > 0) {
    got = read(from, bytes.data(), bytes.size());
    ZSTD_inBuffer in{bytes.data(), static_cast<std::size_t>(got > 0 ? got : 0), 0};
    std::size_t left = 0;
    ZSTD_outBuffer room{};
    do {
      room = {out.data(), out.size(), 0};
      left = ZSTD_compressStream2(context, &room, &in, got > 0 ? ZSTD_e_continue : ZSTD_e_end);
      write_all(to, out.data(), room.pos);
    } while (got > 0 ? in.pos != in.size || room.pos == room.size : left != 0);
  }
  (void)ZSTD_freeCCtx(context);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    return 64;
  }
  const int from = open(argv[3], O_RDONLY | O_CLOEXEC);
  const int to = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (from < 0 || to < 0) {
    return 74;
  }
  if (std::strcmp(argv[1], "gzip") == 0) {
    zlib(from, to, std::atoi(argv[2]), 15 + 16);
  } else if (std::strcmp(argv[1], "deflate") == 0) {
    zlib(from, to, std::atoi(argv[2]), -15);
  } else {
    zstd(from, to, std::atoi(argv[2]));
  }
  return fsync(to) == 0 ? 0 : 74;
}
