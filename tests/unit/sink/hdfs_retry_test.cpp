// When the hdfs sink tries again, and what it says about it. Times are given, nothing waits.
#include "tools/fl-sink/hdfs/retry.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace fl {
namespace {

using Kind = Outcome::Kind;

TEST(HdfsRetry, PausesGrowAndAreJittered) {
  const RetryLimits limits;
  Retry retry;
  std::int64_t now = 1'000'000;
  std::int64_t most = 100;
  for (int i = 0; i < 20; ++i) {
    retry.failed(now, Kind::failed, limits);
    const std::int64_t pause = retry.due_at(limits) - now;
    EXPECT_GE(pause, most / 2);
    EXPECT_LE(pause, most);
    now += pause;
    most = std::min<std::int64_t>(2 * most, 10'000);
  }
  EXPECT_EQ(retry.since_ms(), 1'000'000);
}

TEST(HdfsRetry, APersonGetsMoreTime) {
  const RetryLimits limits;
  Retry retry;
  retry.failed(0, Kind::refused, limits);
  EXPECT_GE(retry.due_at(limits), 1'000);
  for (int i = 0; i < 20; ++i) {
    retry.failed(0, Kind::refused, limits);
  }
  EXPECT_GE(retry.due_at(limits), 30'000);
  EXPECT_LE(retry.due_at(limits), 60'000);
  EXPECT_EQ(retry.give_up_at(limits), INT64_MAX);
}

TEST(HdfsRetry, ASuccessElsewhereHurriesOnlyThoseWhoWaitForAServer) {
  const RetryLimits limits;
  Retry away;
  Retry refused;
  for (int i = 0; i < 20; ++i) {
    away.failed(0, Kind::failed, limits);
    refused.failed(0, Kind::refused, limits);
  }
  away.hurry(10);
  refused.hurry(10);
  EXPECT_LE(away.due_at(limits), 510);
  EXPECT_GE(refused.due_at(limits), 30'000);
}

TEST(HdfsRetry, GraceCountsFromTheEndOfTheInput) {
  RetryLimits limits;
  limits.grace_ms = 5'000;
  Retry retry;
  EXPECT_EQ(retry.give_up_at(limits), INT64_MAX);
  retry.failed(1'000, Kind::failed, limits);
  EXPECT_EQ(retry.give_up_at(limits), INT64_MAX);
  limits.ended_ms = 20'000;
  EXPECT_EQ(retry.give_up_at(limits), 25'000);
  limits.ended_ms = 500;  // it failed after the end
  EXPECT_EQ(retry.give_up_at(limits), 6'000);
  limits.give_up_ms = 2'000;
  EXPECT_EQ(retry.give_up_at(limits), 3'000);
  for (int i = 0; i < 20; ++i) {
    retry.failed(1'000, Kind::refused, limits);
  }
  EXPECT_EQ(retry.due_at(limits), 3'000);  // the last try is at the bound
}

// Property: hdfs.closeTries
TEST(HdfsRetry, TriesAreCounted) {
  RetryLimits limits;
  Retry retry;
  for (int i = 0; i < 100; ++i) {
    retry.failed(0, i % 2 == 0 ? Kind::failed : Kind::refused, limits);
    EXPECT_FALSE(retry.is_over(0, limits));
  }
  limits.tries = 101;
  EXPECT_FALSE(retry.is_over(0, limits));
  retry.failed(0, Kind::failed, limits);
  EXPECT_TRUE(retry.is_over(0, limits));
}

// Property: hdfs.retryInterval
TEST(HdfsRetry, TheLongestPauseCanBeSet) {
  RetryLimits limits;
  limits.pause_ms = 400;
  for (const Kind kind : {Kind::failed, Kind::refused}) {
    Retry retry;
    for (int i = 0; i < 20; ++i) {
      retry.failed(0, kind, limits);
    }
    EXPECT_GE(retry.due_at(limits), 200);
    EXPECT_LE(retry.due_at(limits), 400);
  }
}

class HdfsAlarm : public ::testing::Test {
 protected:
  // The log lines of an alarm raised each second of `seconds`.
  std::ptrdiff_t lines(Alarm& alarm, std::int64_t from_s, std::int64_t seconds, Kind kind,
                       ErrorClass error = ErrorClass::io) {
    testing::internal::CaptureStderr();
    for (std::int64_t i = 0; i < seconds; ++i) {
      alarm.raise((from_s + i) * 1'000, {kind, {error, "no room", {}}, {}}, "1 file",
                  "until it works");
    }
    said_ = testing::internal::GetCapturedStderr();
    return std::count(said_.begin(), said_.end(), '\n');
  }
  std::string said_;
};

TEST_F(HdfsAlarm, IsSaidOnceAndThenAtGrowingIntervals) {
  Alarm alarm;
  EXPECT_EQ(alarm.text(0), "");
  EXPECT_EQ(lines(alarm, 0, 1, Kind::refused), 1);
  EXPECT_NE(said_.find("no room; 1 file waiting, trying again until it works"), std::string::npos)
      << said_;
  EXPECT_EQ(lines(alarm, 1, 59, Kind::refused), 0);
  EXPECT_EQ(lines(alarm, 60, 1, Kind::refused), 1);
  EXPECT_NE(said_.find("waiting for 1m,"), std::string::npos) << said_;
  EXPECT_EQ(lines(alarm, 61, 119, Kind::refused), 0);
  EXPECT_EQ(lines(alarm, 180, 1, Kind::refused), 1);
  // A day: every hour in the end.
  EXPECT_LE(lines(alarm, 181, 86'400, Kind::refused), 30);
  EXPECT_EQ(alarm.text(90'000'000), "for 25h: no room");
}

TEST_F(HdfsAlarm, AnotherReasonIsSaidToo) {
  Alarm alarm;
  EXPECT_EQ(lines(alarm, 0, 1, Kind::refused), 1);
  EXPECT_EQ(lines(alarm, 12, 1, Kind::refused, ErrorClass::permission), 1);
  EXPECT_EQ(lines(alarm, 13, 1, Kind::refused), 0);  // but not in turn at each try
}

TEST_F(HdfsAlarm, TheStatusLineHasTheShortReason) {
  Alarm alarm;
  testing::internal::CaptureStderr();
  alarm.raise(0, {Kind::refused, {ErrorClass::io, "cannot create '/x/y'", {}}, "quota of /x"}, "",
              "");
  (void)testing::internal::GetCapturedStderr();
  EXPECT_EQ(alarm.text(3'000), "for 3s: quota of /x");
}

TEST_F(HdfsAlarm, EndsWithALine) {
  Alarm alarm;
  testing::internal::CaptureStderr();
  alarm.clear(0);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  (void)lines(alarm, 0, 1, Kind::failed, ErrorClass::unavailable);
  testing::internal::CaptureStderr();
  alarm.clear(90'000);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("writing goes on after 90s"),
            std::string::npos);
  EXPECT_FALSE(alarm.is_raised());
  EXPECT_EQ(lines(alarm, 100, 1, Kind::failed, ErrorClass::unavailable), 1);
}

}  // namespace
}  // namespace fl
