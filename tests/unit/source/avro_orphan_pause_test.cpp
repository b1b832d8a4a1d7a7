// How long the avro source takes no requests after clients have gone.
#include "tools/fl-source/avro/orphan_pause.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

constexpr std::int64_t kHalfMinute = 30'000;

TEST(OrphanPause, HoldsUntilWhatIsLeftBehindIsAcknowledged) {
  OrphanPause pause;
  EXPECT_FALSE(pause.holds(0, 0));
  pause.left_behind(100, 40, 1000);
  EXPECT_TRUE(pause.holds(99, 1000));
  EXPECT_FALSE(pause.holds(100, 1000));
}

TEST(OrphanPause, IsLongerEachTimeUntilEverythingIsAcknowledged) {
  OrphanPause pause;
  std::int64_t now = 0;
  for (const std::int64_t length : {1, 2, 4, 8, 16, 20, 20}) {
    pause.left_behind(100, 40, now);
    pause.left_behind(100, 40, now + 1);  // another client: the same pause
    EXPECT_EQ(pause.until_ms(), now + length * kHalfMinute);
    now = pause.until_ms();
    EXPECT_FALSE(pause.holds(40, now));
  }
  pause.acknowledged(99);
  pause.left_behind(200, 99, now);
  EXPECT_EQ(pause.until_ms(), now + 20 * kHalfMinute);
  pause.acknowledged(200);
  pause.left_behind(300, 200, now);
  EXPECT_EQ(pause.until_ms(), now + kHalfMinute);
}

}  // namespace
}  // namespace fl
