// Byte for byte what Flume 1.11's hdfs sink wrote with Hadoop 3.3.6, with its sync markers.
// What Hadoop reads of ours: tests/peers/hdfs.
#include "common/hadoop/sequence_file.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace fl {
namespace {

std::string from_hex(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return out;
}

constexpr std::int64_t kTime = 1'700'000'000'000;

// The three events of the samples.
std::vector<std::pair<std::int64_t, std::string>> three() {
  return {{kTime, "hello"},
          {kTime + 1, ""},
          {kTime + 2, std::string("Gr\xc3\xbc\xc3\x9f"
                                  "e\t\0\n",
                                  10)}};
}

std::string written(const SequenceFormat& format, std::string_view marker,
                    const std::vector<std::pair<std::int64_t, std::string>>& records) {
  std::unique_ptr<StreamCompressor> compressor;
  if (format.codec != nullptr) {
    compressor = make_hadoop_compressor(*format.codec, 0);
  }
  SequenceFileWriter writer(format, compressor.get(), marker);
  std::string file;
  std::string out;
  writer.begin(out);
  for (const auto& [key, value] : records) {
    writer.append(key, value, out);
    file += std::exchange(out, {});
  }
  writer.end(out);
  return file + out;
}

// Property: hdfs.fileType (SequenceFile), hdfs.writeFormat (Writable)
TEST(SequenceFile, WritableIsWhatFlumeWrites) {
  const std::string expected = from_hex(
      "53455106216f72672e6170616368652e6861646f6f702e696f2e4c6f6e675772697461626c65226f"
      "72672e6170616368652e6861646f6f702e696f2e42797465735772697461626c6500000000000056"
      "a8a92778f616d139c1a5c5aca10af000000011000000080000018bcfe568000000000568656c6c6f"
      "0000000c000000080000018bcfe568010000000000000016000000080000018bcfe568020000000a"
      "4772c3bcc39f6509000affffffff56a8a92778f616d139c1a5c5aca10af0");
  EXPECT_EQ(written({}, std::string_view(expected).substr(79, 16), three()), expected);
}

// Property: hdfs.writeFormat (Text)
TEST(SequenceFile, TextIsWhatFlumeWrites) {
  const std::string expected = from_hex(
      "53455106216f72672e6170616368652e6861646f6f702e696f2e4c6f6e675772697461626c65196f"
      "72672e6170616368652e6861646f6f702e696f2e5465787400000000000028f70dbb0daa97a36500"
      "e6ef53d00a160000000e000000080000018bcfe568000568656c6c6f00000009000000080000018b"
      "cfe568010000000013000000080000018bcfe568020a4772c3bcc39f6509000affffffff28f70dbb"
      "0daa97a36500e6ef53d00a16");
  EXPECT_EQ(written({SequenceValue::text, SequenceCompression::none, nullptr},
                    std::string_view(expected).substr(70, 16), three()),
            expected);
}

TEST(SequenceFile, BlockCompressionIsWhatFlumeWrites) {
  const std::string expected = from_hex(
      "53455106216f72672e6170616368652e6861646f6f702e696f2e4c6f6e675772697461626c65226f"
      "72672e6170616368652e6861646f6f702e696f2e42797465735772697461626c6501012a6f72672e"
      "6170616368652e6861646f6f702e696f2e636f6d70726573732e4465666c617465436f6465630000"
      "00003be557080d4f3640087475da2f43ca4bffffffff3be557080d4f3640087475da2f43ca4b030b"
      "789ce3e0e000000033001916789c636060ec3eff348381014233426926005c4b07fc0b789ce364e1"
      "03000034001c1f789c63606060cd48cdc9c96780002ef7a2c37b0ecf4fe564e0020047fa0636");
  const auto codec = find_hadoop_codec("deflate");
  ASSERT_TRUE(codec);
  EXPECT_EQ(written({SequenceValue::bytes_writable, SequenceCompression::block, *codec},
                    std::string_view(expected).substr(122, 16), three()),
            expected);
}

const std::string kMarker = "0123456789abcdef";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

TEST(SequenceFile, PlainRecordsHaveASyncEscapeEvery100KiB) {
  const std::vector<std::pair<std::int64_t, std::string>> records(1000, {1, std::string(980, 'x')});
  const std::string file = written({}, kMarker, records);
  // A record takes 1000 bytes: the header, then after 103 records each, then at the end.
  EXPECT_EQ(count(file, kMarker), 1 + 9 + 1u);
  EXPECT_TRUE(file.ends_with("\xff\xff\xff\xff" + kMarker));
}

TEST(SequenceFile, BlocksEndAtAMillionBytesAndAtAFlush) {
  const auto codec = find_hadoop_codec("gzip");
  ASSERT_TRUE(codec);
  const auto compressor = make_hadoop_compressor(**codec, 0);
  SequenceFileWriter writer({SequenceValue::text, SequenceCompression::block, *codec},
                            compressor.get(), kMarker);
  std::string out;
  writer.begin(out);
  for (int i = 0; i < 1500; ++i) {
    writer.append(i, std::string(990, 'x'), out);  // 8 + 2 + 990 bytes of key and value
  }
  EXPECT_EQ(count(out, kMarker), 2u);
  EXPECT_GT(writer.pending(), 500'000u);
  writer.flush(out);
  EXPECT_EQ(writer.pending(), 0u);
  writer.flush(out);
  writer.end(out);
  EXPECT_EQ(count(out, kMarker), 3u);
}

TEST(SequenceFile, RecordCompressionKeepsKeysPlain) {
  const auto codec = find_hadoop_codec("deflate");
  ASSERT_TRUE(codec);
  const std::string file =
      written({SequenceValue::text, SequenceCompression::record, *codec}, kMarker, {{5, "hello"}});
  const std::size_t marker = file.find(kMarker);
  ASSERT_NE(marker, std::string::npos);
  EXPECT_EQ(file.substr(marker - 5, 5), std::string("c\0\0\0\0", 5));
  const std::string record = file.substr(marker + 16);
  std::string value;
  const auto compressor = make_hadoop_compressor(**codec, 0);
  compressor->write("\x05hello", value);
  compressor->finish(value);
  const auto length = static_cast<char>(8 + value.size());
  EXPECT_EQ(record, std::string("\0\0\0", 3) + length +
                        std::string("\0\0\0\x08\0\0\0\0\0\0\0\x05", 12) + value +
                        "\xff\xff\xff\xff" + kMarker);
}

}  // namespace
}  // namespace fl
