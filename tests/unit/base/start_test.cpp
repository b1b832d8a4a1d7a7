#include "common/base/start.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <new>
#include <stdexcept>

namespace fl {
namespace {

TEST(Start, AThreadHearsNoSignals) {
  std::atomic<bool> is_blocked = false;
  Result<std::thread> thread = start_thread([&is_blocked] {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    is_blocked = sigismember(&mask, SIGTERM) == 1;
  });
  ASSERT_TRUE(thread.ok());
  thread->join();
  EXPECT_TRUE(is_blocked);
  sigset_t ours;
  pthread_sigmask(SIG_BLOCK, nullptr, &ours);
  EXPECT_EQ(sigismember(&ours, SIGTERM), 0);
}

TEST(Start, OnlyALimitNamesTheLimits) {
  const Error full = refused_start(ErrorClass::io, "cannot start a process", EAGAIN);
  EXPECT_EQ(full.kind, ErrorClass::io);
  EXPECT_EQ(full.message, "cannot start a process: Resource temporarily unavailable");
  EXPECT_NE(full.hint.find("ulimit -u"), std::string::npos);
  EXPECT_EQ(refused_start(ErrorClass::config, "cannot run 'x'", ENOEXEC).hint, "");
}

TEST(Start, ManyThreadsAtOnce) { EXPECT_TRUE(try_threads(20).ok()); }

void end_by(void (*work)()) {
  end_clearly_on_exceptions("fl-x");
  std::thread(work).join();
}

TEST(StartDeathTest, AnExceptionInAThreadEndsTheProcessWithAStatus) {
  EXPECT_EXIT(end_by([] { throw std::bad_alloc(); }), testing::ExitedWithCode(69),
              "fl-x: out of memory\nfl-x: allow more memory");
  EXPECT_EXIT(end_by([] { throw std::runtime_error("odd"); }), testing::ExitedWithCode(70),
              "fl-x: odd");
}

}  // namespace
}  // namespace fl
