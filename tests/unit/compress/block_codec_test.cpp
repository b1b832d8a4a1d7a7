#include "common/compress/block_codec.h"

#include <gtest/gtest.h>

#include <random>

namespace fl {
namespace {

constexpr std::size_t kLimit = 16 << 20;
constexpr std::size_t kBefore = 20;
constexpr std::size_t kAfter = 16;

std::vector<BlockCodec> codecs() {
  std::vector<BlockCodec> all;
  for (const std::string& name : block_codec_names()) {
    all.push_back(*find_block_codec(name));
  }
  return all;
}

class BlockCodecs : public testing::TestWithParam<BlockCodec> {
 protected:
  void SetUp() override {
    auto compressor = open_compressor({GetParam()});
    auto decompressor = open_decompressor(GetParam());
    ASSERT_TRUE(compressor) << compressor.error().message;
    ASSERT_TRUE(decompressor) << decompressor.error().message;
    compressor_ = std::move(*compressor);
    decompressor_ = std::move(*decompressor);
  }

  std::string name() const { return std::string(block_codec_name(GetParam())); }

  std::string packed(std::string_view block) {
    const Status status = compressor_->compress(block, packed_);
    EXPECT_TRUE(status) << status.error().message;
    return std::string(packed_.view());
  }

  // What comes out, or the error's message.
  std::string unpacked(std::string_view bytes, std::size_t limit = kLimit) {
    const Status status = decompressor_->decompress(bytes, limit, unpacked_);
    if (!status) {
      EXPECT_EQ(ErrorClass::input, status.error().kind);
      EXPECT_NE(std::string::npos, status.error().message.find(name())) << status.error().message;
      failed_ = true;
      return status.error().message;
    }
    EXPECT_LE(unpacked_.size(), limit);
    failed_ = false;
    return std::string(unpacked_.view());
  }

  bool refuses(std::string_view bytes, std::size_t limit = kLimit) {
    unpacked(bytes, limit);
    return failed_;
  }

  std::unique_ptr<BlockCompressor> compressor_;
  std::unique_ptr<BlockDecompressor> decompressor_;
  GapBuffer packed_{kBefore, kAfter};
  GapBuffer unpacked_{kBefore, kAfter};
  bool failed_ = false;
};

std::string noise(std::size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (char& byte : bytes) {
    byte = static_cast<char>(random());
  }
  return bytes;
}

std::string lines(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += "2026-11-22 23:40:00 INFO line number " + std::to_string(i) + "\n";
  }
  return text;
}

TEST_P(BlockCodecs, GivesBackWhatItTook) {
  for (const std::string& block :
       {std::string("x"), lines(1), lines(1000), lines(20'000), noise(1), noise(300 << 10),
        std::string(2 << 20, 'a'), std::string(2, 0), lines(10)}) {
    EXPECT_TRUE(unpacked(packed(block)) == block) << block.size();
  }
}

TEST_P(BlockCodecs, LeavesRoomForAFrame) {
  const std::string block = noise(200 << 10);
  std::string bytes = packed(block);
  std::fill_n(packed_.data() - kBefore, kBefore, std::uint8_t{0xEE});
  std::fill_n(packed_.data() + packed_.size(), kAfter, std::uint8_t{0xEE});
  EXPECT_EQ(bytes, packed_.view());
  EXPECT_EQ(block, unpacked(bytes));
  std::fill_n(unpacked_.data() - kBefore, kBefore, std::uint8_t{0xEE});
  std::fill_n(unpacked_.data() + unpacked_.size(), kAfter, std::uint8_t{0xEE});
  EXPECT_EQ(block, unpacked_.view());
}

TEST_P(BlockCodecs, TheLimitIsExact) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{256 << 10},
                                 std::size_t{(256 << 10) + 1}, std::size_t{3 << 20}}) {
    const std::string block(size, 'z');
    const std::string bytes = packed(block);
    EXPECT_FALSE(refuses(bytes, size)) << size;
    EXPECT_NE(std::string::npos, unpacked(bytes, size - 1).find("limit")) << size;
  }
}

TEST_P(BlockCodecs, ABombStopsAtTheLimitAndTakesNoMoreMemory) {
  const std::string bomb = packed(std::string(20 << 20, '\0'));
  const std::string message = unpacked(bomb, 1 << 20);
  EXPECT_TRUE(failed_);
  EXPECT_NE(std::string::npos, message.find("limit")) << message;
  EXPECT_LE(unpacked_.capacity(), (1U << 20) + 1);
}

TEST_P(BlockCodecs, ACutBlockIsRefused) {
  if (GetParam() == BlockCodec::null) {
    return;  // has no end of its own
  }
  const std::string bytes = packed(lines(20));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_TRUE(refuses(bytes.substr(0, size))) << size;
  }
  EXPECT_EQ(lines(20), unpacked(bytes));
}

TEST_P(BlockCodecs, BytesBehindABlockAreRefused) {
  if (GetParam() == BlockCodec::null) {
    return;
  }
  const std::string bytes = packed(lines(20));
  EXPECT_TRUE(refuses(bytes + "12345"));
  if (GetParam() != BlockCodec::deflate) {  // Python's avro leaves up to four there
    EXPECT_TRUE(refuses(bytes + "1"));
  }
}

// Damage that passes unseen changes neither memory nor the limit; where the format has a checksum
// none passes, except in bits that mean nothing.
TEST_P(BlockCodecs, EveryFlippedBitIsSeenOrHarmless) {
  const std::string block = lines(30);
  const std::string bytes = packed(block);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string wrong = bytes;
    wrong[bit / 8] = static_cast<char>(wrong[bit / 8] ^ (1 << bit % 8));
    const std::string out = unpacked(wrong);
    if (!failed_ && GetParam() != BlockCodec::null && GetParam() != BlockCodec::deflate) {
      EXPECT_EQ(block, out) << "bit " << bit;
    }
  }
  EXPECT_EQ(block, unpacked(bytes)) << "a damaged block leaves nothing behind";
}

TEST_P(BlockCodecs, RandomBytesAreRefused) {
  std::mt19937 random(11);
  const std::string start = packed(lines(2)).substr(0, 12);
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = round % 2 == 0 ? std::string() : start;
    const std::size_t size = random() % 200;
    for (std::size_t i = 0; i < size; ++i) {
      bytes += static_cast<char>(random());
    }
    const bool refused = refuses(bytes, 64 << 10);
    if (GetParam() == BlockCodec::snappy || GetParam() == BlockCodec::xz) {
      EXPECT_TRUE(refused);
    }
  }
}

TEST_P(BlockCodecs, EveryLevelCanBeRead) {
  const std::string block = lines(100);
  for (int level = -1; level <= 23; ++level) {
    const auto compressor = open_compressor({GetParam(), level});
    EXPECT_EQ(compressor.ok(), check_level({GetParam(), level}).ok());
    if (!compressor) {
      EXPECT_EQ(ErrorClass::usage, compressor.error().kind);
      EXPECT_NE(std::string::npos, compressor.error().message.find(name()));
      continue;
    }
    GapBuffer out(0, 0);
    ASSERT_TRUE((*compressor)->compress(block, out));
    EXPECT_EQ(block, unpacked(out.view())) << level;
  }
}

INSTANTIATE_TEST_SUITE_P(All, BlockCodecs, testing::ValuesIn(codecs()), [](const auto& each) {
  return std::string(block_codec_name(each.param));
});

TEST(BlockCodecNames, AreAvrosToTheLetter) {
  EXPECT_EQ((std::vector<std::string>{"null", "deflate", "snappy", "bzip2", "xz", "zstandard"}),
            block_codec_names());
  for (const char* name : {"", "Null", "zstd", "gzip", "deflate ", "lzma"}) {
    EXPECT_FALSE(find_block_codec(name)) << name;
  }
}

TEST(BlockCodecLevels, AreThoseOfTheLibraries) {
  EXPECT_TRUE(check_level({BlockCodec::null}));
  EXPECT_FALSE(check_level({BlockCodec::null, 0}));
  EXPECT_FALSE(check_level({BlockCodec::snappy, 1}));
  EXPECT_TRUE(check_level({BlockCodec::deflate, 0}));
  EXPECT_FALSE(check_level({BlockCodec::deflate, 10}));
  EXPECT_FALSE(check_level({BlockCodec::bzip2, 0}));
  EXPECT_TRUE(check_level({BlockCodec::xz, 9}));
  EXPECT_TRUE(check_level({BlockCodec::zstandard, 22}));
  EXPECT_FALSE(check_level({BlockCodec::zstandard, 0}));
}

// One block "hello, hello" of each codec by other writers: deflate from Python, snappy and
// zstandard by their specifications.
TEST(BlockCodecBytes, OfOtherWritersAreRead) {
  const auto unpack = [](BlockCodec codec, std::string_view bytes) {
    auto decompressor = open_decompressor(codec);
    GapBuffer out(0, 0);
    const Status status = (*decompressor)->decompress(bytes, 100, out);
    return status ? std::string(out.view()) : status.error().message;
  };
  using namespace std::string_view_literals;
  EXPECT_EQ("hello, hello",
            unpack(BlockCodec::snappy, "\x0c\x18hello, \x05\x07\xf3\xcc\xc5\xff"sv));
  EXPECT_EQ("hello, hello",
            unpack(BlockCodec::deflate, "\xcb\x48\xcd\xc9\xc9\xd7\x51\xc8\x00\x51\x00"sv));
  // Two frames, the first of a raw block, the second of a run.
  EXPECT_EQ("hixxxx", unpack(BlockCodec::zstandard,
                             "\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00hi"
                             "\x28\xb5\x2f\xfd\x20\x04\x23\x00\x00x"sv));
}

}  // namespace
}  // namespace fl
