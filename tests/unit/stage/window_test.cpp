#include "common/stage/window.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

TEST(Window, IsFullAtItsLimitAndHasRoomAgainWhenABlockIsAcknowledgedWhole) {
  Window window(100);
  EXPECT_EQ(window.room(), 100U);
  window.sent(5, 60);
  EXPECT_EQ(window.room(), 40U);
  EXPECT_FALSE(window.full());
  window.sent(8, 40);
  EXPECT_TRUE(window.full());
  EXPECT_EQ(window.room(), 0U);
  window.acked(4);  // not the whole first block
  EXPECT_TRUE(window.full());
  window.acked(5);
  EXPECT_FALSE(window.full());
  EXPECT_EQ(window.room(), 60U);
}

TEST(Window, AnEventLargerThanAllGoesAlone) {
  Window window(100);
  EXPECT_FALSE(window.full());
  window.sent(1, 1000);
  EXPECT_TRUE(window.full());
  EXPECT_EQ(window.room(), 0U);
  window.acked(1);
  EXPECT_FALSE(window.full());
}

TEST(Window, AsksAtThreeQuartersOneRequestAtATime) {
  Window window(100);
  window.sent(1, 74);
  EXPECT_EQ(window.want(false), 0U);
  window.sent(2, 1);
  EXPECT_EQ(window.want(false), 2U);
  window.sent(3, 10);
  EXPECT_EQ(window.want(false), 0U) << "the first request is not answered";
  window.sent(4, 30);
  EXPECT_EQ(window.want(false), 4U) << "full: nothing else would ask";
  EXPECT_EQ(window.want(false), 0U) << "asked for already";
}

TEST(Window, AsksForTheRestWhenTheSourceDrains) {
  Window window(100);
  EXPECT_EQ(window.want(true), 0U);
  window.sent(3, 1);
  EXPECT_EQ(window.want(true), 3U);
  EXPECT_EQ(window.want(true), 0U);
}

TEST(Window, AWindowOfNothingStillLetsOneBlockThrough) {
  Window window(0);
  EXPECT_FALSE(window.full());
  window.sent(1, 10);
  EXPECT_TRUE(window.full());
  EXPECT_EQ(window.want(false), 1U);
  window.acked(1);
  EXPECT_FALSE(window.full());
}

}  // namespace
}  // namespace fl
