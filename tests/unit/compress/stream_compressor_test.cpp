// Round trips through the libraries' own decompressors, and the bytes that Java writes.
#include "common/compress/stream_compressor.h"

#include <bzlib.h>
#include <lz4.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace fl {
namespace {

constexpr std::size_t kRoom = 4 << 20;

// One member or several, gzip or zlib.
std::string inflated(const std::string& bytes) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 32), Z_OK);
  std::string out(kRoom, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = kRoom;
  while (stream.avail_in != 0) {
    if (inflate(&stream, Z_FINISH) != Z_STREAM_END) {
      ADD_FAILURE() << "not a whole stream";
      break;
    }
    EXPECT_EQ(inflateReset(&stream), Z_OK);
    stream.total_out = 0;
  }
  out.resize(kRoom - stream.avail_out);
  (void)inflateEnd(&stream);
  return out;
}

std::string bunzipped(const std::string& bytes) {
  std::string out;
  bz_stream stream{};
  stream.next_in = const_cast<char*>(bytes.data());
  stream.avail_in = static_cast<unsigned>(bytes.size());
  while (stream.avail_in != 0) {
    EXPECT_EQ(BZ2_bzDecompressInit(&stream, 0, 0), BZ_OK);
    std::string part(kRoom, '\0');
    stream.next_out = part.data();
    stream.avail_out = kRoom;
    EXPECT_EQ(BZ2_bzDecompress(&stream), BZ_STREAM_END);
    out += part.substr(0, kRoom - stream.avail_out);
    EXPECT_EQ(BZ2_bzDecompressEnd(&stream), BZ_OK);
  }
  return out;
}

std::string unzstd(const std::string& bytes) {
  std::string out(kRoom, '\0');
  const std::size_t size = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  EXPECT_FALSE(ZSTD_isError(size)) << ZSTD_getErrorName(size);
  out.resize(ZSTD_isError(size) != 0 ? 0 : size);
  return out;
}

struct Case {
  const char* name;
  StreamFormat format;
  std::string (*decode)(const std::string&);
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {{"gzip", StreamFormat::gzip, inflated},
                                        {"zlib", StreamFormat::zlib, inflated},
                                        {"bzip2", StreamFormat::bzip2, bunzipped},
                                        {"zstd", StreamFormat::zstd, unzstd}};
  return all;
}

// 500 KB that neither repeats nor is random.
std::string sample() {
  std::string text;
  unsigned seed = 1;
  while (text.size() < 500'000) {
    seed = seed * 1664525 + 1013904223;
    text += "GET /page/" + std::to_string(seed >> 12) + " HTTP/1.1 200\n";
  }
  return text;
}

std::string compressed(StreamCompressor& compressor, const std::string& bytes, std::size_t step) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += step) {
    compressor.write(std::string_view(bytes).substr(i, step), out);
  }
  compressor.finish(out);
  return out;
}

TEST(StreamCompressor, EveryFormatIsReadBackAtEveryLevel) {
  const std::string text = sample();
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    const CompressionLevels levels = compression_levels(one.format);
    for (const int level : {levels.least, levels.standard, levels.most}) {
      const auto compressor = make_stream_compressor(one.format, level);
      EXPECT_EQ(one.decode(compressed(*compressor, text, 100'000)), text) << level;
    }
  }
}

TEST(StreamCompressor, OutputDependsOnTheBytesOnly) {
  const std::string text = sample();
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    const int level = compression_levels(one.format).standard;
    const auto first = make_stream_compressor(one.format, level);
    const std::string whole = compressed(*first, text, 32'768);
    EXPECT_EQ(compressed(*first, text, 32'768), whole) << "used again";
    const auto second = make_stream_compressor(one.format, level);
    EXPECT_EQ(compressed(*second, text, 777), whole) << "cut in another way";
  }
}

TEST(StreamCompressor, SeveralStreamsReadAsOne) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    const auto compressor =
        make_stream_compressor(one.format, compression_levels(one.format).standard);
    std::string out;
    for (const char* const part : {"one\n", "two\n", ""}) {
      compressor->write(part, out);
      compressor->finish(out);
    }
    EXPECT_EQ(one.decode(out), "one\ntwo\n");
  }
}

TEST(StreamCompressor, HoldsNoContextBeforeTheFirstByte) {
  for (const Case& one : cases()) {
    const auto compressor =
        make_stream_compressor(one.format, compression_levels(one.format).standard);
    EXPECT_EQ(compressor->memory(), 0u) << one.name;
    std::string out;
    compressor->write("a", out);
    EXPECT_GT(compressor->memory(), 100'000u) << one.name;
    EXPECT_LT(compressor->memory(), 8'000'000u) << one.name;
  }
}

// Flume 1.11, CompressedStream with codeC gzip, three events in one flush.
TEST(StreamCompressor, GzipIsWhatFlumeWrites) {
  const std::string expected(
      "\x1f\x8b\x08\0\0\0\0\0\0\xff\xcb\x48\xcd\xc9\xc9\xe7\xe2\x72\x2f\x3a\xbc\xe7\xf0\xfc\x54\x4e"
      "\x06\x2e\x2e\x00\x4c\x27\xba\xa9\x12\0\0\0",
      38);
  std::string out;
  const auto compressor = make_stream_compressor(StreamFormat::gzip, 6);
  for (const std::string& body : {std::string("hello\n"), std::string("\n"),
                                  std::string("Gr\xc3\xbc\xc3\x9f"
                                              "e\t\0\n\n",
                                              11)}) {
    compressor->write(body, out);
  }
  compressor->finish(out);
  EXPECT_EQ(out, expected);
}

TEST(StreamCompressor, RawBlocksAreReadBack) {
  const std::string text = sample().substr(0, 200'000);
  std::string block = "before";
  append_snappy_block(text, block);
  std::string back;
  ASSERT_TRUE(snappy::Uncompress(block.data() + 6, block.size() - 6, &back));
  EXPECT_EQ(back, text);
  block = "before";
  append_lz4_block(text, block);
  back.assign(text.size(), '\0');
  EXPECT_EQ(LZ4_decompress_safe(block.data() + 6, back.data(), static_cast<int>(block.size() - 6),
                                static_cast<int>(back.size())),
            static_cast<int>(text.size()));
  EXPECT_EQ(back, text);
}

}  // namespace
}  // namespace fl
