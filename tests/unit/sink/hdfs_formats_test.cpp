// What the files of the hdfs sink hold: file types, codecs, and how they go together. That
// Hadoop's own reader reads every combination is tested in tests/peers/hdfs.
#include <zlib.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/hadoop/big_endian.h"
#include "tests/unit/sink/hdfs_test_help.h"
#include "tools/fl-sink/hdfs/file_format.h"

namespace fl {
namespace {

// All members of a gzip file; `members` counts them.
std::string gunzipped(const std::string& bytes, int* members = nullptr) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string out;
  std::string room(64 << 10, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  int result = Z_STREAM_END;
  while (result == Z_OK || stream.avail_in != 0) {
    stream.next_out = reinterpret_cast<Bytef*>(room.data());
    stream.avail_out = static_cast<uInt>(room.size());
    result = inflate(&stream, Z_NO_FLUSH);
    out += room.substr(0, room.size() - stream.avail_out);
    if (result == Z_STREAM_END) {
      (void)inflateReset(&stream);
      if (members != nullptr) {
        ++*members;
      }
    } else if (result != Z_OK) {
      break;
    }
  }
  EXPECT_EQ(result, Z_STREAM_END) << "cut";
  (void)inflateEnd(&stream);
  return out;
}

// Keeps what a sink rejects.
class Kept final : public Rejects {
 public:
  Status reject(const Event& event, const Error& why) override {
    bodies.emplace_back(event.body());
    reasons.push_back(why.message);
    return {};
  }
  std::vector<std::string> bodies;
  std::vector<std::string> reasons;
};

// Writes the events into `dir`/out and waits for their files.
Status write_all(const HdfsOptions& options, Events& events, Rejects* rejects = nullptr) {
  HdfsSink sink(options);
  StageContext context;
  context.rejects = rejects;
  if (Status opened = sink.open(context); !opened) {
    return opened;
  }
  const Batch& batch = events.batch();
  if (Status delivered = sink.deliver(batch); !delivered) {
    (void)sink.close();
    return delivered;
  }
  if (Status drained = drain(sink, batch.size()); !drained) {
    return drained;
  }
  return sink.close();
}

HdfsOptions typed(const ScratchDir& dir, const std::string& type, const std::string& codec = {}) {
  HdfsOptions options = local_options(dir);
  options.file_type = type;
  options.codec = codec;
  return options;
}

std::string only_name(const ScratchDir& dir) {
  const std::vector<std::string> files = dir.files("out");
  EXPECT_EQ(files.size(), 1u);
  return files.empty() ? std::string() : files[0];
}

// Property: hdfs.fileType (CompressedStream)
TEST(HdfsFormats, CompressedStreamIsTheSerializersOutputThroughTheCodec) {
  const ScratchDir dir;
  ASSERT_TRUE(write_all(typed(dir, "CompressedStream", "gzip"), Events().add("a").add("b")));
  int members = 0;
  EXPECT_EQ(gunzipped(dir.all("out"), &members), "a\nb\n");
  EXPECT_EQ(members, 1);
}

// Property: hdfs.codeC, hdfs.fileSuffix
TEST(HdfsFormats, NamesEndInTheCodecsExtensionUnlessThereIsASuffix) {
  struct Case {
    const char* codec;
    const char* suffix;
    const char* end;
  };
  for (const Case& one :
       {Case{"gzip", "", ".gz"}, Case{"BZip2Codec", "", ".bz2"}, Case{"Snappy", "", ".snappy"},
        Case{"lz4", "", ".lz4"}, Case{"zstd", "", ".zst"}, Case{"default", "", ".deflate"},
        Case{"gzip", ".log", ".log"}, Case{"gzip", ".log.gz", ".log.gz"}}) {
    for (const char* const type : {"CompressedStream", "SequenceFile"}) {
      const ScratchDir dir;
      HdfsOptions options = typed(dir, type, one.codec);
      options.file_suffix = one.suffix;
      ASSERT_TRUE(write_all(options, Events().add("a"))) << one.codec;
      const std::string name = only_name(dir);
      const std::size_t dot = name.find('.', std::string("FlumeData.").size());
      ASSERT_NE(dot, std::string::npos) << name;
      EXPECT_EQ(name.substr(dot), one.end) << type;
    }
  }
}

TEST(HdfsFormats, SequenceFilesWithoutCodecHaveNoExtension) {
  for (const char* const codec : {"", "None"}) {
    const ScratchDir dir;
    ASSERT_TRUE(write_all(typed(dir, "SequenceFile", codec), Events().add("a")));
    EXPECT_EQ(only_name(dir).find('.', 10), std::string::npos);
  }
}

// Property: hdfs.fileType, hdfs.codeC (combinations that Flume refuses)
TEST(HdfsFormats, WhatDoesNotGoTogetherIsAConfigurationError) {
  struct Case {
    const char* type;
    const char* codec;
    std::uint64_t level;
    const char* says;
  };
  for (const Case& one : {Case{"DataStream", "gzip", 0, "DataStream are not compressed"},
                          Case{"CompressedStream", "", 0, "need a codec"},
                          Case{"CompressedStream", "None", 0, "need a codec"},
                          Case{"CompressedStream", "lzop", 0, "unknown codec 'lzop'"},
                          Case{"SequenceFile", "rar", 0, "unknown codec 'rar'"},
                          Case{"CompressedStream", "gzip", 10, "no level 10"},
                          Case{"CompressedStream", "snappy", 1, "no levels"},
                          Case{"SequenceFile", "", 3, "no codec"}}) {
    const ScratchDir dir;
    HdfsOptions options = typed(dir, one.type, one.codec);
    options.codec_level = one.level;
    const Status status = write_all(options, Events().add("a"));
    ASSERT_FALSE(status) << one.says;
    EXPECT_EQ(status.error().kind, ErrorClass::config);
    EXPECT_NE(status.error().message.find(one.says), std::string::npos) << status.error().message;
    EXPECT_FALSE(status.error().hint.empty());
    EXPECT_TRUE(dir.files().empty());
  }
}

// Property: hdfs.rollSize (bodies count, not what the codec makes of them)
TEST(HdfsFormats, RollSizeCountsBodiesNotCompressedBytes) {
  const ScratchDir dir;
  HdfsOptions options = typed(dir, "CompressedStream", "gzip");
  options.roll_size = {1000};
  Events events;
  for (int i = 0; i < 30; ++i) {
    events.add(std::string(100, 'a'));
  }
  ASSERT_TRUE(write_all(options, events));
  EXPECT_EQ(dir.files("out").size(), 3u);
}

// Property: hdfs.compressionLevel
TEST(HdfsFormats, ALevelChangesTheSize) {
  Events events;
  unsigned seed = 1;
  for (int i = 0; i < 2000; ++i) {
    seed = seed * 1664525 + 1013904223;
    events.add("GET /page/" + std::to_string(seed >> 16) + " HTTP/1.1 200 " + std::to_string(i));
  }
  std::vector<std::size_t> sizes;
  for (const std::uint64_t level : {1u, 9u}) {
    const ScratchDir dir;
    HdfsOptions options = typed(dir, "CompressedStream", "gzip");
    options.codec_level = level;
    ASSERT_TRUE(write_all(options, events));
    sizes.push_back(dir.all("out").size());
  }
  EXPECT_GT(sizes[0], sizes[1]);
}

constexpr std::size_t kHeaderBytes = 95;  // of a SequenceFile with BytesWritable, no codec

std::string record(std::int64_t key, const std::string& value) {
  std::string out;
  append_int32(out, static_cast<std::uint32_t>(8 + 4 + value.size()));
  append_int32(out, 8);
  append_int64(out, key);
  append_int32(out, static_cast<std::uint32_t>(value.size()));
  return out + value;
}

// Property: hdfs.fileType (SequenceFile), hdfs.writeFormat
TEST(HdfsFormats, SequenceFileKeysAreTheTimestampHeader) {
  const ScratchDir dir;
  ASSERT_TRUE(write_all(
      typed(dir, "SequenceFile"),
      Events().add("hello", {{"timestamp", "1700000000000"}}).add("", {{"timestamp", "-1"}})));
  const std::string file = dir.all("out");
  const std::string records = record(1'700'000'000'000, "hello") + record(-1, "");
  EXPECT_EQ(file.substr(kHeaderBytes, records.size()), records);
  EXPECT_EQ(file.size(), kHeaderBytes + records.size() + 20);
}

TEST(HdfsFormats, SequenceFileKeysAreNowWithoutTheHeader) {
  const ScratchDir dir;
  const std::int64_t before = wall_ms();
  ASSERT_TRUE(write_all(typed(dir, "SequenceFile"), Events().add("x")));
  std::int64_t key = 0;
  for (const char byte : dir.all("out").substr(kHeaderBytes + 8, 8)) {
    key = key << 8 | static_cast<unsigned char>(byte);
  }
  EXPECT_GE(key, before);
  EXPECT_LE(key, wall_ms());
}

TEST(HdfsFormats, ATimestampThatIsNoNumberIsRejected) {
  Events events;
  events.add("good", {{"timestamp", "1"}})
      .add("bad", {{"timestamp", "today"}})
      .add("last", {{"timestamp", "2"}});
  const ScratchDir dir;
  Kept kept;
  ASSERT_TRUE(write_all(typed(dir, "SequenceFile"), events, &kept));
  EXPECT_EQ(kept.bodies, std::vector<std::string>{"bad"});
  EXPECT_NE(kept.reasons.at(0).find("'today'"), std::string::npos);
  const std::string records = record(1, "good") + record(2, "last");
  EXPECT_EQ(dir.all("out").substr(kHeaderBytes, records.size()), records);
  // Without anybody who keeps it the stage ends.
  const Status status = write_all(typed(dir, "SequenceFile"), events);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorClass::input);
}

// With more open files than compressors find room, streams are ended early: bytes stay the same.
TEST(HdfsFormats, ManyOpenFilesShareTheMemoryOfCompressors) {
  const HadoopCodec& codec = **find_hadoop_codec("gzip");
  CompressorBudget budget(1 << 20);
  constexpr int kFiles = 20;
  std::vector<std::unique_ptr<CompressedSerializer>> files;
  std::vector<std::string> out(kFiles);
  std::vector<std::string> expected(kFiles);
  std::size_t most = 0;
  for (int i = 0; i < kFiles; ++i) {
    auto inner = make_serializer({});
    ASSERT_TRUE(inner);
    files.push_back(std::make_unique<CompressedSerializer>(std::move(*inner), codec, 0, budget));
    files.back()->begin(out[static_cast<std::size_t>(i)]);
  }
  for (int round = 0; round < 4000; ++round) {
    for (std::size_t i = 0; i < kFiles; ++i) {
      const std::string body =
          std::to_string(round) + " of file " + std::to_string(i) + std::string(300, 'x');
      Events event;
      files[i]->append(out[i], event.add(body).batch()[0]);
      expected[i] += body + "\n";
      most = std::max(most, budget.used());
    }
  }
  EXPECT_LE(most, (1u << 20) + (300u << 10));
  for (std::size_t i = 0; i < kFiles; ++i) {
    files[i]->end(out[i]);
    int members = 0;
    EXPECT_EQ(gunzipped(out[i], &members), expected[i]);
    EXPECT_GT(members, 1);
    EXPECT_LT(members, 20);
  }
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace fl
