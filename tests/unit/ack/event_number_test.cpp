// Numbers of events as they travel, and the marks that say where they go on otherwise.
#include "common/ack/event_number.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

const std::string kLog(32, 'a');
const std::string kOther = "0123456789abcdef0123456789abcdef";

EventNumber number(std::uint64_t n) { return {kLog, n}; }

TEST(EventNumber, IsReadAsItIsWritten) {
  EXPECT_EQ((EventNumber{kOther, 17}.text()), kOther + " 17");
  EXPECT_EQ(EventNumber::parse(kOther + " 17"), (EventNumber{kOther, 17}));
  EXPECT_EQ(EventNumber::parse(kOther + " 18446744073709551615"),
            (EventNumber{kOther, UINT64_MAX}));
}

TEST(EventNumber, WhatIsNoneIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("-"), kLog, kLog + " ", kLog + " x", kLog + " -1",
        kLog + " 18446744073709551616", kLog + "a 1", kLog.substr(1) + " 1", kLog + " 1 2",
        std::string(32, 'A') + " 1", std::string(32, 'g') + " 1"}) {
    EXPECT_FALSE(EventNumber::parse(text).has_value()) << '"' << text << '"';
  }
}

TEST(NumberMap, GoesOnByOneUpToTheNextMark) {
  NumberMap map;
  EXPECT_FALSE(map.of(0));
  map.mark(2, number(100));
  map.mark(5, number(200));
  map.mark(7, std::nullopt);
  map.mark(9, EventNumber{kOther, 1});
  EXPECT_FALSE(map.of(1));
  EXPECT_EQ(map.of(2), number(100));
  EXPECT_EQ(map.of(4), number(102));
  EXPECT_EQ(map.of(5), number(200));
  EXPECT_FALSE(map.of(8));
  EXPECT_EQ(map.of(10), (EventNumber{kOther, 2}));
  EXPECT_EQ(map.next_mark(0), 2U);
  EXPECT_EQ(map.next_mark(2), 5U);
  EXPECT_EQ(map.next_mark(9), UINT64_MAX);
  map.forget(6);
  EXPECT_FALSE(map.of(4));
  EXPECT_EQ(map.of(6), number(201));
}

TEST(NumberMap, TheLastWordOnAnEventCounts) {
  NumberMap map;
  map.mark(0, number(5));
  map.mark(0, number(9));
  EXPECT_EQ(map.of(1), number(10));
}

TEST(NumberMap, WhatIsNoNewsTakesNoSpace) {
  NumberMap map;
  for (std::uint64_t n = 0; n < 10 * NumberMap::kMost; ++n) {
    map.mark(n, number(50 + n));
  }
  EXPECT_EQ(map.of(7), number(57));
  EXPECT_EQ(map.next_mark(0), UINT64_MAX);
}

TEST(NumberMap, IsBoundedAndThenKnowsNothing) {
  NumberMap map;
  for (std::uint64_t n = 0; n <= NumberMap::kMost; ++n) {
    map.mark(n, number(2 * n));
  }
  EXPECT_FALSE(map.of(0));
  EXPECT_FALSE(map.of(NumberMap::kMost));
  map.mark(100'000, number(1));
  EXPECT_FALSE(map.of(100'000));
}

TEST(NumberMap, AMarkThatGoesBackBreaksIt) {
  NumberMap map;
  map.mark(5, number(5));
  map.mark(3, number(9));
  EXPECT_FALSE(map.of(5));
}

}  // namespace
}  // namespace fl
