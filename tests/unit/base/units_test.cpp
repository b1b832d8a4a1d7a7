#include "common/base/units.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

std::uint64_t bytes(std::string_view text) {
  const Result<Bytes> parsed = parse_bytes(text);
  return parsed ? parsed->value : UINT64_MAX;
}

std::int64_t ms(std::string_view text) {
  const Result<Duration> parsed = parse_duration(text);
  return parsed ? parsed->ms : -1;
}

TEST(Units, BinaryAndDecimalSizes) {
  EXPECT_EQ(bytes("1234"), 1234U);
  EXPECT_EQ(bytes("64K"), 65536U);
  EXPECT_EQ(bytes("64k"), 65536U);
  EXPECT_EQ(bytes("64KiB"), 65536U);
  EXPECT_EQ(bytes("64KB"), 64000U);
  EXPECT_EQ(bytes("1.5G"), 3ULL << 29);
  EXPECT_EQ(bytes("1 MiB"), 1ULL << 20);
  EXPECT_EQ(bytes("0"), 0U);
}

TEST(Units, RefusesWhatIsNoSize) {
  for (const char* text : {"", "K", "-1", "1.5", "1.", ".5K", "1X", "1KK", "0x10", "1e3", " 1",
                           "18446744073709551616", "9E", "99999999999P", "1.0000000001K"}) {
    EXPECT_EQ(bytes(text), UINT64_MAX) << text;
  }
}

TEST(Units, Times) {
  EXPECT_EQ(ms("10"), 10'000);
  EXPECT_EQ(ms("500ms"), 500);
  EXPECT_EQ(ms("1.5s"), 1500);
  EXPECT_EQ(ms("5m"), 300'000);
  EXPECT_EQ(ms("5min"), 300'000);
  EXPECT_EQ(ms("24h"), 86'400'000);
  EXPECT_EQ(ms("7d"), 7 * 86'400'000LL);
  EXPECT_EQ(ms("1000000d"), -1);
  EXPECT_EQ(ms("5 parsecs"), -1);
  EXPECT_EQ(ms("0.5ms"), -1);
  EXPECT_EQ(ms(""), -1);
}

TEST(Units, TextReadsBackAsTheSameValue) {
  for (const std::uint64_t value : {0ULL, 1ULL, 999ULL, 1000ULL, 1024ULL, 1536ULL, 64000ULL,
                                    1ULL << 20, 1000000ULL, (1ULL << 40) + 1, (1ULL << 62)}) {
    EXPECT_EQ(bytes(to_string(Bytes{value})), value) << to_string(Bytes{value});
  }
  for (const std::int64_t value : {0LL, 1LL, 999LL, 1000LL, 1500LL, 60'000LL, 90'000LL}) {
    EXPECT_EQ(ms(to_string(Duration{value})), value) << to_string(Duration{value});
  }
  EXPECT_EQ(to_string(Bytes{128ULL << 20}), "128MiB");
  EXPECT_EQ(to_string(Duration{300'000}), "5m");
}

TEST(Units, CountsAreDigitsWithALimit) {
  EXPECT_EQ(*parse_count("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(parse_count("18446744073709551616"));
  EXPECT_EQ(*parse_count("65535", 65535), 65535U);
  EXPECT_FALSE(parse_count("65536", 65535));
  EXPECT_FALSE(parse_count("7", 3));
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1a"}) {
    EXPECT_FALSE(parse_count(text)) << text;
  }
}

TEST(Units, HumanBytesHaveThreeDigits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1023), "1.00 KiB");
  EXPECT_EQ(human_bytes(1.23 * 1024 * 1024), "1.23 MiB");
  EXPECT_EQ(human_bytes(999.7 * 1024), "0.98 MiB");
}

}  // namespace
}  // namespace fl
