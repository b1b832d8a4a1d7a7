#include "common/kafka/first_place.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

std::int64_t in(const std::string& text, std::int64_t low, std::int64_t high,
                std::int64_t at_time = -1) {
  const Result<FirstPlace> place = FirstPlace::parse(text);
  return place ? place->in(low, high, at_time) : -1;
}

TEST(KafkaFirstPlace, IsWithinThePartition) {
  EXPECT_EQ(in("earliest", 5, 9), 5);
  EXPECT_EQ(in("latest", 5, 9), 9);
  EXPECT_EQ(in("-1", 5, 9), 8);
  EXPECT_EQ(in("-4", 5, 9), 5);
  EXPECT_EQ(in("-9223372036854775807", 5, 9), 5);
  EXPECT_EQ(in("1767225600000", 5, 9, 7), 7);
  EXPECT_EQ(in("1767225600000", 5, 9), 9);
}

TEST(KafkaFirstPlace, TakesTimes) {
  for (const char* const text : {"1767225600000", "@1767225600", "2026-01-01T00:00:00Z"}) {
    const Result<FirstPlace> place = FirstPlace::parse(text);
    ASSERT_TRUE(place.ok()) << text;
    EXPECT_EQ(place->kind, FirstPlace::Kind::time);
    EXPECT_EQ(place->value, 1'767'225'600'000);
  }
  for (const char* const text : {"", "-", "--1", "1.5", "soon", "9223372036854775808"}) {
    EXPECT_EQ(FirstPlace::parse(text).error().kind, ErrorClass::usage) << text;
  }
}

}  // namespace
}  // namespace fl
