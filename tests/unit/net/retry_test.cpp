// When a sink tries again, and what it says about it. Times are given, nothing waits.
#include "common/net/retry.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace fl {
namespace {

constexpr bool kAway = false;
constexpr bool kRefused = true;

TEST(Retry, PausesGrowAndAreJittered) {
  const RetryLimits limits;
  Retry retry;
  std::int64_t now = 1'000'000;
  std::int64_t most = 100;
  for (int i = 0; i < 20; ++i) {
    retry.failed(now, kAway, limits);
    const std::int64_t pause = retry.due_at(limits) - now;
    EXPECT_GE(pause, most / 2);
    EXPECT_LE(pause, most);
    now += pause;
    most = std::min<std::int64_t>(2 * most, 10'000);
  }
  EXPECT_EQ(retry.since_ms(), 1'000'000);
}

TEST(Retry, APersonGetsMoreTime) {
  const RetryLimits limits;
  Retry retry;
  retry.failed(0, kRefused, limits);
  EXPECT_GE(retry.due_at(limits), 1'000);
  for (int i = 0; i < 20; ++i) {
    retry.failed(0, kRefused, limits);
  }
  EXPECT_GE(retry.due_at(limits), 30'000);
  EXPECT_LE(retry.due_at(limits), 60'000);
  EXPECT_EQ(retry.give_up_at(limits), INT64_MAX);
}

TEST(Retry, AServerThatAsksForTimeGetsItUntilTheEnd) {
  RetryLimits limits;
  limits.give_up_ms = 5'000;
  Retry retry;
  retry.failed(0, kAway, limits);
  retry.not_before(3'000);
  EXPECT_EQ(retry.due_at(limits), 3'000);
  retry.not_before(60'000);
  EXPECT_EQ(retry.due_at(limits), 5'000);
  EXPECT_TRUE(retry.is_over(5'000, limits));
  EXPECT_EQ(retry.tried_for(5'009), " (tried for 5s)");
}

TEST(Retry, ASuccessElsewhereHurriesOnlyThoseWhoWaitForAServer) {
  const RetryLimits limits;
  Retry away;
  Retry refused;
  for (int i = 0; i < 20; ++i) {
    away.failed(0, kAway, limits);
    refused.failed(0, kRefused, limits);
  }
  away.hurry(10);
  refused.hurry(10);
  EXPECT_LE(away.due_at(limits), 510);
  EXPECT_GE(refused.due_at(limits), 30'000);
}

TEST(Retry, GraceCountsFromTheEndOfTheInput) {
  RetryLimits limits;
  limits.grace_ms = 5'000;
  Retry retry;
  EXPECT_EQ(retry.give_up_at(limits), INT64_MAX);
  retry.failed(1'000, kAway, limits);
  EXPECT_EQ(retry.give_up_at(limits), INT64_MAX);
  limits.ended_ms = 20'000;
  EXPECT_EQ(retry.give_up_at(limits), 25'000);
  limits.ended_ms = 500;  // it failed after the end
  EXPECT_EQ(retry.give_up_at(limits), 6'000);
  limits.give_up_ms = 2'000;
  EXPECT_EQ(retry.give_up_at(limits), 3'000);
  for (int i = 0; i < 20; ++i) {
    retry.failed(1'000, kRefused, limits);
  }
  EXPECT_EQ(retry.due_at(limits), 3'000);  // the last try is at the bound
}

// Property: hdfs.closeTries
TEST(Retry, TriesAreCounted) {
  RetryLimits limits;
  Retry retry;
  for (int i = 0; i < 100; ++i) {
    retry.failed(0, i % 2 == 0 ? kAway : kRefused, limits);
    EXPECT_FALSE(retry.is_over(0, limits));
  }
  limits.tries = 101;
  EXPECT_FALSE(retry.is_over(0, limits));
  retry.failed(0, kAway, limits);
  EXPECT_TRUE(retry.is_over(0, limits));
}

// Property: hdfs.retryInterval
TEST(Retry, TheLongestPauseCanBeSet) {
  RetryLimits limits;
  limits.pause_ms = 400;
  for (const bool kind : {kAway, kRefused}) {
    Retry retry;
    for (int i = 0; i < 20; ++i) {
      retry.failed(0, kind, limits);
    }
    EXPECT_GE(retry.due_at(limits), 200);
    EXPECT_LE(retry.due_at(limits), 400);
  }
}

class AlarmText : public ::testing::Test {
 protected:
  // The log lines of an alarm raised each second of `seconds`.
  std::ptrdiff_t lines(Alarm& alarm, std::int64_t from_s, std::int64_t seconds, bool kind,
                       ErrorClass error = ErrorClass::io) {
    testing::internal::CaptureStderr();
    for (std::int64_t i = 0; i < seconds; ++i) {
      alarm.raise((from_s + i) * 1'000, {{error, "no room", {}}, kind, {}}, "1 file",
                  "until it works");
    }
    said_ = testing::internal::GetCapturedStderr();
    return std::count(said_.begin(), said_.end(), '\n');
  }
  std::string said_;
};

TEST_F(AlarmText, IsSaidOnceAndThenAtGrowingIntervals) {
  Alarm alarm("writing continues");
  EXPECT_EQ(alarm.text(0), "");
  EXPECT_EQ(lines(alarm, 0, 1, kRefused), 1);
  EXPECT_NE(said_.find("no room; 1 file waiting, trying again until it works"), std::string::npos)
      << said_;
  EXPECT_EQ(lines(alarm, 1, 59, kRefused), 0);
  EXPECT_EQ(lines(alarm, 60, 1, kRefused), 1);
  EXPECT_NE(said_.find("waiting for 1m,"), std::string::npos) << said_;
  EXPECT_EQ(lines(alarm, 61, 119, kRefused), 0);
  EXPECT_EQ(lines(alarm, 180, 1, kRefused), 1);
  // A day: every hour in the end.
  EXPECT_LE(lines(alarm, 181, 86'400, kRefused), 30);
  EXPECT_EQ(alarm.text(90'000'000), "for 25h: no room");
}

TEST_F(AlarmText, AnotherReasonIsSaidToo) {
  Alarm alarm("writing continues");
  EXPECT_EQ(lines(alarm, 0, 1, kRefused), 1);
  EXPECT_EQ(lines(alarm, 12, 1, kRefused, ErrorClass::permission), 1);
  EXPECT_EQ(lines(alarm, 13, 1, kRefused), 0);  // but not in turn at each try
}

TEST_F(AlarmText, TheStatusLineHasTheShortReason) {
  Alarm alarm("writing continues");
  testing::internal::CaptureStderr();
  alarm.raise(0, {{ErrorClass::io, "cannot create '/x/y'", {}}, kRefused, "quota of /x"}, "", "");
  (void)testing::internal::GetCapturedStderr();
  EXPECT_EQ(alarm.text(3'000), "for 3s: quota of /x");
}

TEST_F(AlarmText, EndsWithALine) {
  Alarm alarm("writing continues");
  testing::internal::CaptureStderr();
  alarm.clear(0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  (void)lines(alarm, 0, 1, kAway, ErrorClass::unavailable);
  testing::internal::CaptureStderr();
  alarm.clear(90'000);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("writing continues after 90s"),
            std::string::npos);
  EXPECT_FALSE(alarm.is_raised());
  EXPECT_EQ(lines(alarm, 100, 1, kAway, ErrorClass::unavailable), 1);
}

}  // namespace
}  // namespace fl
