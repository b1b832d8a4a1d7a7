// The libraries alone: reads a file, compresses it in pieces of 256 KiB, writes and syncs another.
// The codecs of a stream's blocks: each piece, of the size of a block in a file, stands for itself.
// usage: compress_file gzip|zstd|deflate-blocks|zstd-blocks LEVEL FROM TO
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

void gzip(int from, int to, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
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

void deflate_blocks(int from, int to, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    std::exit(70);
  }
  std::vector<char> in(kPiece);
  std::vector<char> out(deflateBound(&stream, kPiece));
  for (ssize_t got = 0; (got = read(from, in.data(), in.size())) > 0;) {
    (void)deflateReset(&stream);
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(got);
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) {
      std::exit(70);
    }
    write_all(to, out.data(), out.size() - stream.avail_out);
  }
  (void)deflateEnd(&stream);
}

void zstd_blocks(int from, int to, int level) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::vector<char> in(kPiece);
  std::vector<char> out(ZSTD_compressBound(kPiece));
  for (ssize_t got = 0; (got = read(from, in.data(), in.size())) > 0;) {
    const std::size_t size =
        ZSTD_compress2(context, out.data(), out.size(), in.data(), static_cast<std::size_t>(got));
    if (ZSTD_isError(size) != 0) {
      std::exit(70);
    }
    write_all(to, out.data(), size);
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
  const int level = std::atoi(argv[2]);
  if (std::strcmp(argv[1], "gzip") == 0) {
    gzip(from, to, level);
  } else if (std::strcmp(argv[1], "deflate-blocks") == 0) {
    deflate_blocks(from, to, level);
  } else if (std::strcmp(argv[1], "zstd-blocks") == 0) {
    zstd_blocks(from, to, level);
  } else {
    zstd(from, to, level);
  }
  return fsync(to) == 0 ? 0 : 74;
}
