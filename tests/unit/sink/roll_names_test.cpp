#include "tools/fl-sink/roll_names.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace fl {
namespace {

TEST(RollNames, ASeriesCountsFromItsStart) {
  RollNames names(RollNames::Manager::series, "p-", "log", 1700000000123);
  EXPECT_EQ(names.next(1700000000999), "p-1700000000123-1.log");
  EXPECT_EQ(names.next(1700000009999), "p-1700000000123-2.log");
}

TEST(RollNames, RollTimeCountsFromOneInEachSecondOfLocalTime) {
  ::setenv("TZ", "UTC-2", 1);  // two hours before UTC
  ::tzset();
  RollNames names(RollNames::Manager::roll_time, "", "", 0);
  EXPECT_EQ(names.next(1700000000123), "20231115001320-1");
  EXPECT_EQ(names.next(1700000000999), "20231115001320-2");
  EXPECT_EQ(names.next(1700000001000), "20231115001321-1");
}

}  // namespace
}  // namespace fl
