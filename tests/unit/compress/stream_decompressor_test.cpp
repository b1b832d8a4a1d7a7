// Each format, each cut, each damage: the text comes out, or an error of class input.
#include "common/compress/stream_decompressor.h"

#include <gtest/gtest.h>
#include <lz4frame.h>

#include <algorithm>
#include <string>

#include "common/compress/block_codec.h"
#include "common/compress/stream_compressor.h"

namespace fl {
namespace {

constexpr Compression kAll[] = {Compression::gzip, Compression::zstd, Compression::bzip2,
                                Compression::xz, Compression::lz4};

std::string packed(Compression compression, const std::string& text) {
  std::string out;
  if (compression == Compression::xz) {
    auto codec = open_compressor({BlockCodec::xz, {}});
    GapBuffer buffer(0, 0);
    EXPECT_TRUE(codec.ok() && (*codec)->compress(text, buffer).ok());
    return std::string(buffer.view());
  }
  if (compression == Compression::lz4) {
    LZ4F_preferences_t preferences{};
    preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    out.resize(LZ4F_compressFrameBound(text.size(), &preferences));
    out.resize(LZ4F_compressFrame(out.data(), out.size(), text.data(), text.size(), &preferences));
    return out;
  }
  auto codec = make_stream_compressor(compression == Compression::gzip    ? StreamFormat::gzip
                                      : compression == Compression::bzip2 ? StreamFormat::bzip2
                                                                          : StreamFormat::zstd,
                                      3);
  codec->write(text, out);
  codec->finish(out);
  return out;
}

struct Unpacked {
  std::string text;
  bool damaged = false;
  bool complete = false;
};

/// Input comes in pieces of `piece` bytes, output goes to room for `room` bytes.
Unpacked unpacked(Compression compression, std::string_view bytes, std::size_t piece,
                  std::size_t room) {
  auto decoder = open_stream_decompressor(compression);
  EXPECT_TRUE(decoder.ok());
  Unpacked result;
  std::string buffer(room, '\0');
  while (!bytes.empty()) {
    std::string_view in = bytes.substr(0, piece);
    bytes.remove_prefix(in.size());
    for (;;) {
      const auto n =
          (*decoder)->decode(in, reinterpret_cast<std::uint8_t*>(buffer.data()), buffer.size());
      if (!n) {
        EXPECT_EQ(n.error().kind, ErrorClass::input);
        result.damaged = true;
        return result;
      }
      result.text.append(buffer, 0, *n);
      if (*n == 0) {
        EXPECT_TRUE(in.empty());
        break;
      }
    }
  }
  result.complete = (*decoder)->complete();
  return result;
}

std::string sample() {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    text += "line " + std::to_string(i * 7919 % 1000) + "\n";
  }
  return text;
}

TEST(StreamDecompressor, EachFormatInPiecesOfEachSize) {
  const std::string text = sample();
  for (const Compression compression : kAll) {
    const std::string bytes = packed(compression, text);
    EXPECT_EQ(compression_of_bytes(bytes), compression);
    EXPECT_EQ(compression_named(name_of(compression)), compression);
    for (const std::size_t piece : {1u, 7u, 1'000'000u}) {
      for (const std::size_t room : {1u, 13u, 1'000'000u}) {
        const Unpacked result = unpacked(compression, bytes, piece, room);
        EXPECT_EQ(result.text, text) << name_of(compression) << piece << " " << room;
        EXPECT_TRUE(result.complete);
      }
    }
  }
}

TEST(StreamDecompressor, SeveralMembersAreOneText) {
  for (const Compression compression : kAll) {
    const std::string bytes =
        packed(compression, "a\n") + packed(compression, "") + packed(compression, "b\n");
    for (const std::size_t piece : {1u, 1'000u}) {
      const Unpacked result = unpacked(compression, bytes, piece, 3);
      EXPECT_EQ(result.text, "a\nb\n") << name_of(compression);
      EXPECT_TRUE(result.complete);
    }
  }
}

TEST(StreamDecompressor, ACutIsNotComplete) {
  for (const Compression compression : kAll) {
    const std::string bytes = packed(compression, sample());
    for (std::size_t size = 0; size < bytes.size();) {
      size += size > 40 && size + 40 < bytes.size() ? 31U : 1U;
      if (size >= bytes.size()) {
        break;
      }
      const std::string_view cut = std::string_view(bytes).substr(0, size);
      const Unpacked result = unpacked(compression, cut, 64, 4096);
      EXPECT_FALSE(result.complete) << name_of(compression) << size;
    }
  }
}

TEST(StreamDecompressor, DamageIsFound) {
  const std::string text = sample();
  for (const Compression compression : kAll) {
    const std::string bytes = packed(compression, text);
    for (std::size_t i = bytes.size() / 4; i < bytes.size(); i += 1 + bytes.size() / 50) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ 0x55);
      const Unpacked result = unpacked(compression, changed, 100, 100);
      EXPECT_TRUE(result.damaged || !result.complete) << name_of(compression) << i;
    }
    EXPECT_TRUE(unpacked(compression, bytes + "rubbish behind it", 100, 100).damaged)
        << name_of(compression);
  }
}

TEST(StreamDecompressor, ZerosAfterGzipAreNothing) {
  const Unpacked result =
      unpacked(Compression::gzip, packed(Compression::gzip, "a") + std::string(512, '\0'), 5, 5);
  EXPECT_EQ(result.text, "a");
  EXPECT_TRUE(result.complete);
}

TEST(StreamDecompressor, NamesAndFirstBytes) {
  EXPECT_EQ(compression_of_file("a.log.gz"), Compression::gzip);
  EXPECT_EQ(compression_of_file("A.GZ"), Compression::gzip);
  EXPECT_EQ(compression_of_file("a.zst"), Compression::zstd);
  EXPECT_EQ(compression_of_file("a.bz2"), Compression::bzip2);
  EXPECT_EQ(compression_of_file("a.xz"), Compression::xz);
  EXPECT_EQ(compression_of_file("a.lz4"), Compression::lz4);
  EXPECT_EQ(compression_of_file("a.log"), Compression::none);
  EXPECT_EQ(compression_of_file(".gz"), Compression::none);
  EXPECT_EQ(compression_of_bytes("BZhello"), Compression::none);
  EXPECT_EQ(compression_of_bytes(""), Compression::none);
}

}  // namespace
}  // namespace fl
