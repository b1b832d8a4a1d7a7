#include "common/stage/give_up.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

TEST(GiveUp, AnIdleStageNeverGivesUp) {
  GiveUp clock(100);
  clock.look(0, false, false, 0);
  clock.look(0, false, false, 1'000'000);
  EXPECT_EQ(clock.deadline_ms(), -1);
  EXPECT_FALSE(clock.is_due(2'000'000));
}

TEST(GiveUp, ItIsDueWhenNothingHasMovedForItsTime) {
  GiveUp clock(100);
  clock.look(5, true, false, 1000);
  clock.look(5, true, false, 1050);
  EXPECT_EQ(clock.deadline_ms(), 1100);
  EXPECT_FALSE(clock.is_due(1099));
  EXPECT_TRUE(clock.is_due(1100));
}

TEST(GiveUp, WhateverMovesStartsItAgain) {
  GiveUp clock(100);
  clock.look(5, true, false, 1000);
  clock.look(6, true, false, 1099);
  EXPECT_EQ(clock.deadline_ms(), 1199);
}

TEST(GiveUp, WhatIsNotWaitedForStopsIt) {
  GiveUp clock(100);
  clock.look(5, true, false, 1000);
  clock.look(5, false, false, 1050);
  EXPECT_EQ(clock.deadline_ms(), -1);
  clock.look(5, true, false, 1090);
  EXPECT_EQ(clock.deadline_ms(), 1190);
}

TEST(GiveUp, WhatIsAtWorkIsWaitedFor) {
  GiveUp clock(100);
  clock.look(5, true, false, 1000);
  clock.look(5, true, true, 1200);
  EXPECT_EQ(clock.deadline_ms(), -1);
  EXPECT_FALSE(clock.is_due(1200));
  clock.look(5, true, false, 1300);  // it has ended, and nothing has moved
  EXPECT_TRUE(clock.is_due(1300));
}

TEST(GiveUp, WithoutATimeItIsOff) {
  EXPECT_FALSE(GiveUp(0).is_on());
  EXPECT_TRUE(GiveUp(1).is_on());
}

}  // namespace
}  // namespace fl
