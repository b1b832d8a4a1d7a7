// What a wait waits for, by the clock and by a clock that a test moves.
#include "common/io/poll_set.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/base/unique_fd.h"

namespace fl {
namespace {

class PollSetTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }
  void make_ready() { ASSERT_EQ(::write(write_.get(), "x", 1), 1); }

  UniqueFd read_;
  UniqueFd write_;
  PollSet set_;
};

TEST_F(PollSetTest, TheEarliestDeadlineCounts) {
  ManualClock clock;
  const std::int64_t begin = monotonic_ms();
  set_.wake_at(begin + 500);
  set_.wake_at(begin + 300);
  set_.wake_at(-1);
  const int index = set_.add(read_.get(), POLLIN);
  set_.wait();
  EXPECT_EQ(monotonic_ms(), begin + 300);
  EXPECT_EQ(set_.revents(index), 0);
}

TEST_F(PollSetTest, WhatIsReadyEndsTheWaitBeforeItsDeadline) {
  ManualClock clock;
  const std::int64_t begin = monotonic_ms();
  make_ready();
  const int index = set_.add(read_.get(), POLLIN);
  set_.wake_at(begin + 1000);
  set_.wait();
  EXPECT_EQ(monotonic_ms(), begin);
  EXPECT_NE(set_.revents(index) & POLLIN, 0);
}

TEST_F(PollSetTest, ADeadlineThatHasComeIsNotWaitedFor) {
  ManualClock clock;
  const std::int64_t begin = monotonic_ms();
  set_.wake_at(begin - 5);
  set_.wait();
  EXPECT_EQ(monotonic_ms(), begin);
  set_.clear();
  set_.wake_now();
  set_.wait();
  EXPECT_EQ(monotonic_ms(), begin);
}

TEST_F(PollSetTest, WithoutAManualClockTimePassesByItself) {
  const std::int64_t begin = monotonic_ms();
  {
    ManualClock clock;
    clock.advance(3'600'000);
  }
  EXPECT_LT(monotonic_ms() - begin, 3'600'000);
  set_.wake_at(monotonic_ms() + 20);
  set_.wait();
  EXPECT_GE(monotonic_ms() - begin, 20);
}

}  // namespace
}  // namespace fl
