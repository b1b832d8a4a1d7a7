#include "common/event/java_map.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

std::string text_of(const Headers& headers) {
  std::string bytes;
  append_event(bytes, headers, "body");
  Event event;
  const char* why = nullptr;
  const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  EventLimits limits;
  limits.headers = 1'000;
  EXPECT_NE(scan_event(p, p + bytes.size(), limits, event, why), nullptr);
  JavaMap map;
  map.assign(event);
  std::string text;
  map.append_text(text);
  return text;
}

// Values of String.hashCode() as Java computes them.
TEST(JavaMap, HashIsJavas) {
  EXPECT_EQ(java_string_hash(""), 0u);
  EXPECT_EQ(java_string_hash("a"), 97u);
  EXPECT_EQ(java_string_hash("hello"), 99162322u);
  EXPECT_EQ(java_string_hash("timestamp"), 55126294u);
  EXPECT_EQ(java_string_hash("host"), 3208616u);
  EXPECT_EQ(java_string_hash("polygenelubricants"), 0x80000000u);
  EXPECT_EQ(java_string_hash("\xc3\xa9"), 0xE9u);
  EXPECT_EQ(java_string_hash("\xf0\x9f\x98\x80"), 0xD83Du * 31 + 0xDE00u);
  EXPECT_EQ(java_string_hash("\xff"), 0xFFFDu);
}

TEST(JavaMap, PrintsAsJava) {
  EXPECT_EQ(text_of({}), "{}");
  EXPECT_EQ(text_of({{"a", "b"}}), "{a=b}");
  EXPECT_EQ(text_of({{"c", "d"}, {"a", "b"}}), "{a=b, c=d}");
}

// host -> bucket 8 of 16 (0x30F5A8 ^ 0x30), timestamp -> 15: by bucket, not by insertion.
TEST(JavaMap, OrderIsByBucket) {
  EXPECT_EQ(text_of({{"timestamp", "1"}, {"host", "h"}}), "{host=h, timestamp=1}");
  EXPECT_EQ(text_of({{"host", "h"}, {"timestamp", "1"}}), "{host=h, timestamp=1}");
}

// "Aa" and "BB" have one hash: insertion decides.
TEST(JavaMap, CollidingKeysKeepTheirOrder) {
  EXPECT_EQ(text_of({{"Aa", "1"}, {"BB", "2"}}), "{Aa=1, BB=2}");
  EXPECT_EQ(text_of({{"BB", "2"}, {"Aa", "1"}}), "{BB=2, Aa=1}");
}

// With 13 keys the table has 32 buckets: "a" (97) moves from bucket 1 to 1, "q" (113) from 1 to 17.
TEST(JavaMap, TheTableGrowsAtThreeQuarters) {
  Headers headers = {{"q", "0"}, {"a", "0"}};
  EXPECT_EQ(text_of(headers), "{q=0, a=0}");
  for (int i = 0; i < 11; ++i) {
    headers.emplace_back(std::string(1, static_cast<char>('B' + i)), "0");
  }
  const std::string text = text_of(headers);
  EXPECT_LT(text.find("a=0"), text.find("q=0"));
}

TEST(JavaMap, TheLastOfTwoEqualKeysCounts) {
  std::string bytes;
  append_map_block(bytes, {{"k", "first"}});
  append_event(bytes, {{"k", "last"}}, "");
  Event event;
  const char* why = nullptr;
  const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  ASSERT_NE(scan_event(p, p + bytes.size(), {}, event, why), nullptr);
  JavaMap map;
  map.assign(event);
  ASSERT_EQ(map.entries().size(), 1u);
  EXPECT_EQ(map.entries()[0].value, "last");
}

}  // namespace
}  // namespace fl
