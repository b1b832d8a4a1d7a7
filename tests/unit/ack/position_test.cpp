// Positions as they travel, and the queue that holds them until their events have come.
#include "common/ack/position.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

TEST(Position, AnyBytesTravelInOneLineOfPrintableAscii) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
  }
  const Position position{"a source/ü%\n", all};
  const std::optional<std::string> text = position.text();
  ASSERT_TRUE(text.has_value());
  for (const char c : *text) {
    EXPECT_TRUE(c >= 0x20 && c < 0x7f) << int{c};
  }
  EXPECT_EQ(Position::parse(*text), position);
}

TEST(Position, ReadableTextStaysReadable) {
  EXPECT_EQ((Position{"spooldir:/var/spool", "a.log=17"}.text()), "spooldir:/var/spool a.log=17");
  EXPECT_EQ((Position{"s", ""}.text()), "s ");
  EXPECT_EQ(Position::parse("s "), (Position{"s", ""}));
  EXPECT_EQ(Position::parse("s"), (Position{"s", ""}));
}

TEST(Position, WhatIsNoneIsRefused) {
  for (const char* text : {"", " ", " place", "s a b", "s %", "s %4", "s %4g", "s %4a%", "s \x7f",
                           "s \x80", "s\t", "%0 x"}) {
    EXPECT_FALSE(Position::parse(text).has_value()) << '"' << text << '"';
  }
}

TEST(Position, TheLengthIsLimitedAsItTravels) {
  const std::size_t most = Position::kMaxBytes - 2;
  EXPECT_TRUE((Position{"s", std::string(most, 'x')}.text().has_value()));
  EXPECT_FALSE((Position{"s", std::string(most + 1, 'x')}.text().has_value()));
  EXPECT_FALSE((Position{"s", std::string(most / 2, '\n')}.text().has_value()));
  EXPECT_FALSE((Position{"", "place"}.text().has_value()));
  EXPECT_FALSE(Position::parse("s " + std::string(most + 1, 'x')).has_value());
}

TEST(PositionQueue, GivesEachOnceItsEventsHaveCome) {
  PositionQueue queue;
  queue.add(0, {"s", "start"});
  queue.add(5, {"s", "five"});
  queue.add(5, {"t", "five"});
  queue.add(9, {"s", "nine"});
  EXPECT_EQ(queue.take(0)->position.place, "start");
  EXPECT_FALSE(queue.take(4).has_value());
  EXPECT_EQ(queue.take(6)->events, 5U);
  EXPECT_EQ(queue.take(6)->position.source, "t");
  EXPECT_FALSE(queue.take(6).has_value());
  EXPECT_EQ(queue.take(100)->position.place, "nine");
  EXPECT_TRUE(queue.empty());
}

TEST(PositionQueue, ACountThatFallsIsIgnored) {
  PositionQueue queue;
  queue.add(5, {"s", "five"});
  queue.add(4, {"s", "four"});
  EXPECT_EQ(queue.take(10)->position.place, "five");
  EXPECT_TRUE(queue.empty());
  queue.add(4, {"s", "four"});
  EXPECT_TRUE(queue.empty()) << "also after the others were taken";
}

TEST(PositionQueue, AFullOneKeepsTheNewest) {
  PositionQueue queue;
  for (std::uint64_t n = 0; n <= PositionQueue::kMost; ++n) {
    queue.add(n, {"s", "x"});
  }
  EXPECT_EQ(queue.take(UINT64_MAX)->events, PositionQueue::kMost);
  EXPECT_TRUE(queue.empty());

  const std::string large(PositionQueue::kMostBytes / 2, 'x');
  PositionQueue few;
  for (std::uint64_t n = 0; n < 5; ++n) {
    few.add(n, {"s", large});
  }
  EXPECT_EQ(few.take(UINT64_MAX)->events, 4U);
  EXPECT_TRUE(few.empty());
}

}  // namespace
}  // namespace fl
