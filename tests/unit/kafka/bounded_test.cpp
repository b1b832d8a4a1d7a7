#include "common/kafka/bounded.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <future>
#include <memory>

namespace fl {
namespace {

constexpr std::int64_t kHangMs = 30'000;

TEST(KafkaBounded, WorkThatEndsIsWaitedFor) {
  const auto done = std::make_shared<bool>(false);
  EXPECT_TRUE(ends_within(kHangMs, [done] { *done = true; }));
  EXPECT_TRUE(*done);
  EXPECT_EQ(done.use_count(), 1) << "what the work owned is gone";
}

TEST(KafkaBounded, WorkThatDoesNotEndIsLeftBehindWithWhatItOwns) {
  const auto gate = std::make_shared<std::promise<void>>();
  std::promise<void> ended;
  EXPECT_FALSE(ends_within(1, [gate, &ended] {
    gate->get_future().wait();
    ended.set_value();
  }));
  EXPECT_EQ(gate.use_count(), 2) << "it still has it";
  gate->set_value();
  EXPECT_EQ(ended.get_future().wait_for(std::chrono::milliseconds(kHangMs)),
            std::future_status::ready);
}

// A handler that is called where threads still run may take away what they use.
TEST(KafkaBounded, AProcessThatLeavesThreadsBehindKeepsItsStatusAndCallsNoHandlers) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    (void)std::atexit([] { ::_exit(1); });
    leave_threads_behind();
    leave_threads_behind();
    std::exit(75);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 75);
}

}  // namespace
}  // namespace fl
