// The bytes of the log: numbers at their places, and nothing else taken for valid.
#include "common/log/format.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/log/crc32c.h"

namespace fl {
namespace {

LogId some_id() {
  LogId id;
  for (std::size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<std::uint8_t>(0xa0 + i);
  }
  return id;
}

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string_view view(const SlotBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Every flipped bit of `bytes` is noticed by `valid`.
void expect_each_bit_counts(std::string bytes, const std::function<bool(std::string_view)>& valid) {
  ASSERT_TRUE(valid(bytes));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(valid(bytes)) << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(Crc32c, IsThatOfTheStandard) {
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(0, "123456789", 9), 0xe3069283u);
  EXPECT_EQ(crc32c(0, std::string(32, '\0').data(), 32), 0x8a9136aau);
  EXPECT_EQ(crc32c(0, std::string(32, '\xff').data(), 32), 0x62a8ab43u);
}

TEST(Crc32c, TheTableAgreesWithTheLibraryAtAnyLengthAndPlace) {
  std::string bytes;
  for (int i = 0; i < 600; ++i) {
    bytes += static_cast<char>(i * 7 + i / 256);
  }
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; from + size <= bytes.size(); size += 1 + size / 16) {
      const std::uint32_t whole = crc32c_by_table(0, bytes.data() + from, size);
      EXPECT_EQ(crc32c(0, bytes.data() + from, size), whole);
      const std::size_t half = size / 2;
      EXPECT_EQ(
          crc32c(crc32c(0, bytes.data() + from, half), bytes.data() + from + half, size - half),
          whole);
    }
  }
}

TEST(LogFormat, NamesOfSegmentsAreTwentyDigits) {
  EXPECT_EQ(segment_name(42), "00000000000000000042.seg");
  EXPECT_EQ(segment_name(UINT64_MAX), "18446744073709551615.seg");
  EXPECT_EQ(segment_of_name("00000000000000000042.seg"), 42U);
  EXPECT_EQ(segment_of_name("18446744073709551615.seg"), UINT64_MAX);
  EXPECT_EQ(segment_of_name("18446744073709551616.seg"), std::nullopt);
  EXPECT_EQ(segment_of_name("0000000000000000004.seg"), std::nullopt);
  EXPECT_EQ(segment_of_name("0000000000000000004x.seg"), std::nullopt);
  EXPECT_EQ(segment_of_name("00000000000000000042.tmp"), std::nullopt);
}

TEST(LogFormat, NamesOfGroupsAreShortAndPlain) {
  EXPECT_TRUE(is_group_name("default"));
  EXPECT_TRUE(is_group_name("hdfs-2.archive_a"));
  EXPECT_FALSE(is_group_name(""));
  EXPECT_FALSE(is_group_name(".lock"));
  EXPECT_FALSE(is_group_name("a/b"));
  EXPECT_FALSE(is_group_name("a b"));
  EXPECT_FALSE(is_group_name(std::string(65, 'a')));
}

TEST(LogFormat, ASegmentHeaderIsReadAsItWasWritten) {
  const SegmentHeader header{some_id(), 0x1122334455667788u, 1000, 1'700'000'000'123u};
  const std::string bytes = encode(header);
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  EXPECT_EQ(hex(bytes.substr(0, 12)), "666c2d6c6f670d0a01000000");
  EXPECT_EQ(hex(bytes.substr(32, 24)), "8877665544332211e8030000000000007b68e5cf8b010000");
  SegmentHeader read;
  EXPECT_EQ(decode(bytes, read), Decoded::ok);
  EXPECT_EQ(read, header);
  expect_each_bit_counts(bytes.substr(0, 64), [](std::string_view damaged) {
    SegmentHeader ignored;
    return decode(damaged, ignored) == Decoded::ok;
  });
  EXPECT_EQ(decode(bytes.substr(0, 63), read), Decoded::damaged);
}

TEST(LogFormat, ARecordIsReadAsItWasWrittenAndEachBitCounts) {
  RecordHeader header;
  header.length = 5;
  header.segment_id = 0x1122334455667788u;
  header.first_sequence = 1000;
  header.count = 2;
  header.time_ms = 1'700'000'000'123u;
  std::string bytes(kRecordHeaderBytes, '\0');
  encode(header, "hello", reinterpret_cast<std::uint8_t*>(bytes.data()));
  bytes += "hello";
  EXPECT_EQ(hex(bytes.substr(4, 36)),
            "05000000"
            "8877665544332211"
            "e803000000000000"
            "02000000"
            "0100"
            "0000"
            "7b68e5cf8b010000");
  const auto valid = [](std::string_view record) {
    const auto* const from = reinterpret_cast<const std::uint8_t*>(record.data());
    RecordHeader read;
    return decode(from, read) && read.length <= record.size() - kRecordHeaderBytes &&
           checks(from, read);
  };
  expect_each_bit_counts(bytes, valid);
  EXPECT_EQ(record_bytes(5), 48U);
  EXPECT_EQ(record_bytes(8), 48U);
  EXPECT_EQ(record_bytes(9), 56U);
}

TEST(LogFormat, ZerosAreNoRecordAndNoSlot) {
  const std::string zeros(kSegmentHeaderBytes, '\0');
  RecordHeader record;
  EXPECT_FALSE(decode(reinterpret_cast<const std::uint8_t*>(zeros.data()), record));
  HeadSlot head;
  EXPECT_EQ(newest_slot(zeros, kHeadSlotDistance, head), Decoded::damaged);
  SegmentHeader segment;
  EXPECT_EQ(decode(zeros, segment), Decoded::damaged);
}

TEST(LogFormat, OnlyPositionsHoldNoEvent) {
  std::string bytes(kRecordHeaderBytes + 1, 'x');
  auto* const to = reinterpret_cast<std::uint8_t*>(bytes.data());
  RecordHeader read;
  for (const auto kind : {RecordKind::block, RecordKind::positions, RecordKind::gap}) {
    for (const std::uint32_t count : {0u, 1u}) {
      encode({0, 1, 7, 0, count, kind, 0, 0}, "x", to);
      EXPECT_EQ(decode(to, read), (kind == RecordKind::positions) == (count == 0));
    }
  }
}

TEST(LogFormat, TheNewerValidSlotCounts) {
  const HeadSlot older{6, some_id(), 100, 90, 8192, 0};
  const HeadSlot newer{7, some_id(), 200, 90, 9000, 4096};
  std::string file(kHeadBytes, '\0');
  file.replace(slot_offset(6, kHeadSlotDistance), kSlotBytes, view(encode(older)));
  HeadSlot read;
  EXPECT_EQ(newest_slot(file, kHeadSlotDistance, read), Decoded::ok);
  EXPECT_EQ(read, older);
  file.replace(slot_offset(7, kHeadSlotDistance), kSlotBytes, view(encode(newer)));
  EXPECT_EQ(newest_slot(file, kHeadSlotDistance, read), Decoded::ok);
  EXPECT_EQ(read, newer);
  for (std::size_t bit = 0; bit < kSlotBytes * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(newest_slot(damaged, kHeadSlotDistance, read), Decoded::ok);
    EXPECT_EQ(read, older) << "bit " << bit;
  }
  for (std::size_t size = 0; size < file.size(); ++size) {
    const bool has_a = size >= kSlotBytes;
    const bool has_b = size >= kHeadSlotDistance + kSlotBytes;
    EXPECT_EQ(newest_slot(std::string_view(file).substr(0, size), kHeadSlotDistance, read),
              has_a || has_b ? Decoded::ok : Decoded::damaged);
  }
}

TEST(LogFormat, ACursorIsReadAsItWasWritten) {
  const CursorSlot cursor{3, some_id(), 12345, 1'700'000'000'123u, 1'600'000'000'000u};
  const SlotBytes bytes = encode(cursor);
  EXPECT_EQ(hex(view(bytes).substr(32, 8)), "3930000000000000");
  CursorSlot read;
  EXPECT_EQ(decode(view(bytes), read), Decoded::ok);
  EXPECT_EQ(read, cursor);
  expect_each_bit_counts(std::string(view(bytes)), [](std::string_view damaged) {
    CursorSlot ignored;
    return decode(damaged, ignored) == Decoded::ok;
  });
}

}  // namespace
}  // namespace fl
