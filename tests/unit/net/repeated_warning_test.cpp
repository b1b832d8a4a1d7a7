#include "common/net/repeated_warning.h"

#include <gtest/gtest.h>

#include <vector>

namespace fl {
namespace {

TEST(RepeatedWarning, ReportsAtOnceAndThenAtGrowingIntervals) {
  RepeatedWarning warning;
  std::vector<std::int64_t> reports;
  std::uint64_t counted = 0;
  constexpr std::int64_t kDayMs = 86'400'000;
  for (std::int64_t now = 1000; now < 1000 + kDayMs; now += 100) {
    if (warning.happened(now)) {
      reports.push_back(now - 1000);
      counted += warning.unreported();
      warning.reported(now);
    }
  }
  ASSERT_GE(reports.size(), 6u);
  EXPECT_EQ(std::vector(reports.begin(), reports.begin() + 5),
            (std::vector<std::int64_t>{0, 10'000, 30'000, 70'000, 150'000}));
  EXPECT_LE(reports.size(), 9u + 24u);  // doubling up to an hour, then hourly
  EXPECT_EQ(warning.total(), static_cast<std::uint64_t>(kDayMs) / 100);
  EXPECT_EQ(counted + warning.unreported(), warning.total());
}

TEST(RepeatedWarning, BeginsAnewAfterAQuietTime) {
  RepeatedWarning warning;
  EXPECT_TRUE(warning.happened(0));
  warning.reported(0);
  EXPECT_FALSE(warning.happened(9'999));
  EXPECT_TRUE(warning.happened(10'000));
  EXPECT_EQ(warning.unreported(), 2u);
  warning.reported(10'000);
  EXPECT_TRUE(warning.happened(60'000));
  warning.reported(60'000);
  EXPECT_EQ(warning.next_ms(), 70'000);
}

}  // namespace
}  // namespace fl
