#include "common/compress/stream_decompressor.h"

#include <algorithm>
#include <array>

#include "common/compress/member_decompressor.h"

namespace fl {
namespace {

struct Format {
  Compression compression;
  std::string_view name;
  std::string_view suffix;
  std::string_view magic;
};
constexpr std::array<Format, 5> kFormats = {{
    {Compression::gzip, "gzip", ".gz", std::string_view("\x1f\x8b\x08", 3)},
    {Compression::zstd, "zstd", ".zst", std::string_view("\x28\xb5\x2f\xfd", 4)},
    {Compression::bzip2, "bzip2", ".bz2", std::string_view("BZh", 3)},
    {Compression::xz, "xz", ".xz", std::string_view("\xfd\x37zXZ\0", 6)},
    {Compression::lz4, "lz4", ".lz4", std::string_view("\x04\x22\x4d\x18", 4)},
}};

}  // namespace

std::string_view name_of(Compression compression) {
  for (const Format& format : kFormats) {
    if (format.compression == compression) {
      return format.name;
    }
  }
  return "none";
}

Compression compression_named(std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.name == name) {
      return format.compression;
    }
  }
  return Compression::none;
}

Compression compression_of_file(std::string_view file_name) {
  for (const Format& format : kFormats) {
    const std::size_t size = format.suffix.size();
    if (file_name.size() > size &&
        std::equal(format.suffix.begin(), format.suffix.end(),
                   file_name.end() - static_cast<std::ptrdiff_t>(size), [](char a, char b) {
                     return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
                   })) {
      return format.compression;
    }
  }
  return Compression::none;
}

Compression compression_of_bytes(std::string_view bytes) {
  for (const Format& format : kFormats) {
    if (bytes.starts_with(format.magic)) {
      // A text may well begin with "BZh"; the level and the first block's mark follow.
      if (format.compression != Compression::bzip2 ||
          (bytes.size() >= 5 && bytes[3] >= '1' && bytes[3] <= '9' &&
           (bytes[4] == '1' || bytes[4] == '\x17'))) {
        return format.compression;
      }
    }
  }
  return Compression::none;
}

OpenedStream open_stream_decompressor(Compression compression) {
  switch (compression) {
    case Compression::gzip:
      return open_gzip_stream();
    case Compression::zstd:
      return open_zstd_stream();
    case Compression::bzip2:
      return open_bzip2_stream();
    case Compression::xz:
      return open_xz_stream();
    case Compression::lz4:
      return open_lz4_stream();
    case Compression::none:
      break;
  }
  return Error{ErrorClass::bug, "no decoder for text that is not compressed"};
}

}  // namespace fl
