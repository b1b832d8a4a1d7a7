#include "common/hadoop/codec.h"

#include <algorithm>
#include <array>

#include "common/hadoop/block_compression.h"

namespace fl {
namespace {

using Format = HadoopCodec::Format;

constexpr std::array<HadoopCodec, 7> kCodecs{{
    {"bzip2", "org.apache.hadoop.io.compress.BZip2Codec", ".bz2", Format::bzip2},
    {"default", "org.apache.hadoop.io.compress.DefaultCodec", ".deflate", Format::zlib},
    {"deflate", "org.apache.hadoop.io.compress.DeflateCodec", ".deflate", Format::zlib},
    {"gzip", "org.apache.hadoop.io.compress.GzipCodec", ".gz", Format::gzip},
    {"lz4", "org.apache.hadoop.io.compress.Lz4Codec", ".lz4", Format::lz4},
    {"snappy", "org.apache.hadoop.io.compress.SnappyCodec", ".snappy", Format::snappy},
    {"zstandard", "org.apache.hadoop.io.compress.ZStandardCodec", ".zst", Format::zstd},
}};

constexpr std::string_view kSuffix = "codec";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  });
  return out;
}

// Of the formats that a stream compressor writes by itself.
StreamFormat stream_format(Format format) {
  switch (format) {
    case Format::gzip:
      return StreamFormat::gzip;
    case Format::bzip2:
      return StreamFormat::bzip2;
    case Format::zstd:
      return StreamFormat::zstd;
    default:
      return StreamFormat::zlib;
  }
}

bool is_framed(const HadoopCodec& codec) {
  return codec.format == Format::snappy || codec.format == Format::lz4;
}

}  // namespace

Result<const HadoopCodec*> find_hadoop_codec(std::string_view name) {
  std::string simple = lower(name);
  if (simple == "none") {
    return static_cast<const HadoopCodec*>(nullptr);
  }
  if (simple.size() > kSuffix.size() && simple.ends_with(kSuffix)) {
    simple.resize(simple.size() - kSuffix.size());
  }
  if (simple == "zstd") {
    simple = "zstandard";
  }
  for (const HadoopCodec& codec : kCodecs) {
    if (codec.name == simple || codec.class_name == name) {
      return &codec;
    }
  }
  std::string hint = "known: none";
  for (const HadoopCodec& codec : kCodecs) {
    if ("." + simple == codec.extension) {
      return Error{ErrorClass::config, "unknown codec '" + std::string(name) + "': did you mean '" +
                                           std::string(codec.name) + "'?"};
    }
    hint += ", " + std::string(codec.name);
  }
  if (simple == "lzo" || simple == "lzop") {
    hint += "; Hadoop itself comes without LZO too, lz4 is its successor";
  }
  return Error{ErrorClass::config, "unknown codec '" + std::string(name) + "'", hint};
}

CompressionLevels hadoop_codec_levels(const HadoopCodec& codec) {
  return is_framed(codec) ? CompressionLevels{0, 0, 0}
                          : compression_levels(stream_format(codec.format));
}

std::unique_ptr<StreamCompressor> make_hadoop_compressor(const HadoopCodec& codec, int level) {
  if (is_framed(codec)) {
    return std::make_unique<HadoopBlockCompressor>(
        codec.format == Format::snappy ? HadoopBlockFormat::snappy : HadoopBlockFormat::lz4);
  }
  const StreamFormat format = stream_format(codec.format);
  return make_stream_compressor(format, level == 0 ? compression_levels(format).standard : level);
}

}  // namespace fl
