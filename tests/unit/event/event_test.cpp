#include "common/event/event.h"

#include <gtest/gtest.h>

#include "common/event/varint.h"

namespace fl {
namespace {

const std::uint8_t* bytes(const std::string& text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

// Scans exactly one event; "" or the reason.
std::string scan(const std::string& encoded, Event& event, EventLimits limits = {}) {
  const char* why = "no reason given";
  const std::uint8_t* end =
      scan_event(bytes(encoded), bytes(encoded) + encoded.size(), limits, event, why);
  if (end == nullptr) {
    return why;
  }
  return end == bytes(encoded) + encoded.size() ? "" : "stopped early";
}

std::string with(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) {
    out.push_back(static_cast<char>(value));
  }
  return out;
}

TEST(Varint, RoundTripsAtEveryWidth) {
  for (unsigned shift = 0; shift < 63; ++shift) {
    for (const std::int64_t value :
         {std::int64_t{1} << shift, (std::int64_t{1} << shift) - 1, -(std::int64_t{1} << shift)}) {
      std::uint8_t out[kMaxVarint];
      const std::uint8_t* end = write_varint(out, value);
      EXPECT_EQ(varint_size(value), static_cast<std::size_t>(end - out));
      std::int64_t back = 0;
      EXPECT_EQ(end, read_varint(out, end, back));
      EXPECT_EQ(value, back);
      bool cut = false;
      EXPECT_EQ(nullptr, read_varint(out, end - 1, back, &cut));
      EXPECT_TRUE(cut);
    }
  }
}

TEST(Varint, RefusesMoreThan64Bits) {
  const std::string text(10, '\xff');
  std::int64_t value = 0;
  bool cut = true;
  EXPECT_EQ(nullptr, read_varint(bytes(text), bytes(text) + 10, value, &cut));
  EXPECT_FALSE(cut);
}

TEST(Event, ReadsWhatAppendEventWrites) {
  std::string encoded;
  append_event(encoded, {{"h1", "v1"}, {"empty", ""}}, "hello");
  Event event;
  ASSERT_EQ("", scan(encoded, event));
  EXPECT_EQ("hello", event.body());
  EXPECT_EQ("v1", find_header(event, "h1"));
  EXPECT_EQ("", find_header(event, "empty"));
  EXPECT_FALSE(find_header(event, "none"));
}

TEST(Event, ReadsFlumesPositiveCounts) {
  // As Flume writes it: {h1: v1} / hello
  const std::string encoded =
      with({0x02, 0x04, 0x68, 0x31, 0x04, 0x76, 0x31, 0x00, 0x0a}) + "hello";
  Event event;
  ASSERT_EQ("", scan(encoded, event));
  EXPECT_EQ("v1", find_header(event, "h1"));
  EXPECT_EQ("hello", event.body());
}

TEST(Event, SeveralMapBlocksAndTheLastDuplicateWins) {
  std::string encoded;
  append_map_block(encoded, {{"a", "1"}, {"b", "2"}});
  append_event(encoded, {{"a", "3"}}, "x");
  Event event;
  ASSERT_EQ("", scan(encoded, event));
  EXPECT_EQ("3", find_header(event, "a"));
  EXPECT_EQ((Headers{{"a", "3"}, {"b", "2"}}), headers_of(event));
}

TEST(Event, EveryCutIsRefused) {
  std::string encoded;
  append_event(encoded, {{"key", "value"}, {"k2", "v2"}}, "a body");
  Event event;
  for (std::size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_NE("", scan(encoded.substr(0, size), event)) << size;
  }
}

TEST(Event, HostileLengthsAndCountsAreRefused) {
  Event event;
  std::uint8_t big[kMaxVarint];
  for (const std::int64_t n : {INT64_MAX, INT64_MIN, std::int64_t{-1}, std::int64_t{1} << 40}) {
    const std::uint8_t* end = write_varint(big, n);
    const std::string number(reinterpret_cast<const char*>(big),
                             static_cast<std::size_t>(end - big));
    EXPECT_NE("", scan(std::string(1, '\0') + number + "xxxx", event)) << "body " << n;
    EXPECT_NE("", scan(number + "xxxx", event)) << "count " << n;
    EXPECT_NE("", scan(with({2}) + number + "xxxx", event)) << "key " << n;
    EXPECT_NE("", scan(with({1}) + number + "xxxx", event)) << "map size " << n;
  }
}

TEST(Event, AWrongMapSizeIsRefused) {
  std::string encoded;
  append_event(encoded, {{"a", "b"}}, "x");
  Event event;
  for (const int delta : {-2, 2}) {
    std::string wrong = encoded;
    wrong[1] = static_cast<char>(wrong[1] + delta);
    EXPECT_NE("", scan(wrong, event));
  }
}

TEST(Event, LimitsHold) {
  Event event;
  std::string encoded;
  append_event(encoded, {}, std::string(101, 'x'));
  EventLimits limits;
  limits.body_bytes = 100;
  EXPECT_NE("", scan(encoded, event, limits));
  limits.body_bytes = 101;
  EXPECT_EQ("", scan(encoded, event, limits));
  Headers many;
  for (int i = 0; i < 65; ++i) {
    many.emplace_back("k" + std::to_string(i), "v");
  }
  encoded.clear();
  append_event(encoded, many, "");
  EXPECT_NE("", scan(encoded, event));
}

TEST(Utf8, InvalidBytesAreEscapedAndValidTextStays) {
  EXPECT_EQ("Grüße €", utf8_escaped("Grüße €"));
  EXPECT_EQ("a%FFb%C3", utf8_escaped("a\xff"
                                     "b\xc3"));
  EXPECT_EQ("%ED%A0%80", utf8_escaped("\xed\xa0\x80"));  // a surrogate
  EXPECT_TRUE(is_valid_utf8("\xf0\x9f\x98\x80"));
  EXPECT_FALSE(is_valid_utf8("\xc0\x80"));
}

}  // namespace
}  // namespace fl
