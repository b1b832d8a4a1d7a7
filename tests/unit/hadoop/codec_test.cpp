// Names of codecs, and Hadoop's framing of snappy and lz4.
#include "common/hadoop/codec.h"

#include <string>

#include <gtest/gtest.h>

#include "common/hadoop/big_endian.h"
#include "common/hadoop/block_compression.h"

namespace fl {
namespace {

// Property: hdfs.codeC
TEST(HadoopCodec, NamesAreClassOrSimpleNameInAnyCase) {
  struct Case {
    const char* name;
    const char* class_name;
    const char* extension;
  };
  for (const Case& one : {
           Case{"gzip", "org.apache.hadoop.io.compress.GzipCodec", ".gz"},
           Case{"GZIP", "org.apache.hadoop.io.compress.GzipCodec", ".gz"},
           Case{"GzipCodec", "org.apache.hadoop.io.compress.GzipCodec", ".gz"},
           Case{"gzipcodec", "org.apache.hadoop.io.compress.GzipCodec", ".gz"},
           Case{"org.apache.hadoop.io.compress.GzipCodec",
                "org.apache.hadoop.io.compress.GzipCodec", ".gz"},
           Case{"bzip2", "org.apache.hadoop.io.compress.BZip2Codec", ".bz2"},
           Case{"BZip2Codec", "org.apache.hadoop.io.compress.BZip2Codec", ".bz2"},
           Case{"Snappy", "org.apache.hadoop.io.compress.SnappyCodec", ".snappy"},
           Case{"LZ4", "org.apache.hadoop.io.compress.Lz4Codec", ".lz4"},
           Case{"ZStandardCodec", "org.apache.hadoop.io.compress.ZStandardCodec", ".zst"},
           Case{"zstd", "org.apache.hadoop.io.compress.ZStandardCodec", ".zst"},
           Case{"deflate", "org.apache.hadoop.io.compress.DeflateCodec", ".deflate"},
           Case{"default", "org.apache.hadoop.io.compress.DefaultCodec", ".deflate"},
       }) {
    const auto codec = find_hadoop_codec(one.name);
    ASSERT_TRUE(codec) << one.name;
    ASSERT_NE(*codec, nullptr) << one.name;
    EXPECT_EQ((*codec)->class_name, one.class_name) << one.name;
    EXPECT_EQ((*codec)->extension, one.extension) << one.name;
  }
}

TEST(HadoopCodec, NoneIsNoCodec) {
  for (const char* const name : {"None", "none", "NONE"}) {
    const auto codec = find_hadoop_codec(name);
    ASSERT_TRUE(codec);
    EXPECT_EQ(*codec, nullptr);
  }
}

TEST(HadoopCodec, OthersAreAConfigurationErrorThatNamesTheKnown) {
  for (const char* const name :
       {"", "codec", "lzop", "org.apache.hadoop.io.compress.gzipcodec", "com.example.GzipCodec"}) {
    const auto codec = find_hadoop_codec(name);
    ASSERT_FALSE(codec) << name;
    EXPECT_EQ(codec.error().kind, ErrorClass::config);
    EXPECT_NE(codec.error().hint.find("snappy"), std::string::npos);
  }
}

std::uint32_t int32_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

TEST(BlockCompression, BlocksAreOneChunkHoweverTheBytesCome) {
  for (const HadoopBlockFormat format : {HadoopBlockFormat::snappy, HadoopBlockFormat::lz4}) {
    const std::size_t most = max_chunk(format);
    HadoopBlockCompressor compressor(format);
    std::string out;
    const std::string text(most + 10, 'a');
    for (std::size_t i = 0; i < text.size(); i += 1000) {
      compressor.write(std::string_view(text).substr(i, 1000), out);
    }
    EXPECT_EQ(int32_at(out, 0), most);
    const std::size_t second = 8 + int32_at(out, 4);
    EXPECT_EQ(second, out.size());
    compressor.finish(out);
    EXPECT_EQ(int32_at(out, second), 10u);
    EXPECT_EQ(second + 8 + int32_at(out, second + 4), out.size());
    const std::size_t size = out.size();
    compressor.finish(out);
    EXPECT_EQ(out.size(), size) << "nothing in it, nothing written";
  }
}

TEST(BlockCompression, ALongWriteIsABlockOfSeveralChunks) {
  const std::size_t most = max_chunk(HadoopBlockFormat::snappy);
  EXPECT_EQ(most, 218'422u);  // Hadoop's, by its formula
  EXPECT_EQ(max_chunk(HadoopBlockFormat::lz4), 261'100u);
  HadoopBlockCompressor compressor(HadoopBlockFormat::snappy);
  std::string out;
  compressor.write(std::string(2 * most + 1, 'a'), out);
  EXPECT_EQ(int32_at(out, 0), 2 * most + 1);
  std::size_t at = 4;
  int chunks = 0;
  while (at < out.size()) {
    at += 4 + int32_at(out, at);
    ++chunks;
  }
  EXPECT_EQ(at, out.size());
  EXPECT_EQ(chunks, 3);
}

TEST(BigEndian, VlongsAreHadoops) {
  struct Case {
    std::int64_t value;
    const char* bytes;
    std::size_t size;
  };
  for (const Case& one :
       {Case{0, "\0", 1}, Case{127, "\x7f", 1}, Case{-112, "\x90", 1}, Case{128, "\x8f\x80", 2},
        Case{255, "\x8f\xff", 2}, Case{256, "\x8e\x01\0", 3}, Case{-113, "\x87\x70", 2},
        Case{65536, "\x8d\x01\0\0", 4}, Case{INT64_MAX, "\x88\x7f\xff\xff\xff\xff\xff\xff\xff", 9},
        Case{INT64_MIN, "\x80\x7f\xff\xff\xff\xff\xff\xff\xff", 9}}) {
    std::string out;
    append_vlong(out, one.value);
    EXPECT_EQ(out, std::string(one.bytes, one.size)) << one.value;
  }
}

}  // namespace
}  // namespace fl
