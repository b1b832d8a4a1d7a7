// Both ends of unix:PATH in one process. Other users are in tests/pipes/test_unix.py.
#include "common/io/unix_endpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/stage_process.h"

namespace fl {
namespace {

class UnixEndpointTest : public testing::Test {
 protected:
  UnixListener listen() {
    Result<UnixListener> listener = UnixListener::open(path_);
    EXPECT_TRUE(listener.ok());
    return std::move(*listener);
  }
  // The next writer, if one waits.
  static UnixListener::Peer next(UnixListener& listener) {
    PollSet set;
    listener.watch(set);
    set.wake_now();
    set.wait();
    return listener.accept(set);
  }
  bool exists() const {
    struct stat info {};
    return ::lstat(path_.c_str(), &info) == 0;
  }

  test::StageDir dir_;
  std::string path_ = dir_.file("x.sock");
};

TEST_F(UnixEndpointTest, APathIsNeitherEmptyNorTooLong) {
  EXPECT_EQ(*unix_path("unix:/run/x"), "/run/x");
  EXPECT_EQ(unix_path("unix:").error().kind, ErrorClass::usage);
  EXPECT_TRUE(unix_path("unix:" + std::string(107, 'x')).ok());
  EXPECT_EQ(unix_path("unix:" + std::string(108, 'x')).error().kind, ErrorClass::usage);
}

TEST_F(UnixEndpointTest, WhoDialsIsLetInAndKnown) {
  UnixListener listener = listen();
  EXPECT_FALSE(next(listener).fd);
  UnixDialer dialer(path_);
  const UniqueFd fd = dialer.dial();
  ASSERT_TRUE(fd);
  const UnixListener::Peer peer = next(listener);
  EXPECT_TRUE(peer.fd);
  EXPECT_EQ(peer.pid, ::getpid());
  EXPECT_FALSE(next(listener).fd);
}

TEST_F(UnixEndpointTest, TheFileIsItsUsersAndGoesWithTheListener) {
  {
    UnixListener listener = listen();
    struct stat info {};
    ASSERT_EQ(::lstat(path_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600U);
    UnixListener moved = std::move(listener);
    EXPECT_FALSE(listener.is_open());  // NOLINT(bugprone-use-after-move)
    EXPECT_TRUE(moved.is_open());
  }
  EXPECT_FALSE(exists());
}

TEST_F(UnixEndpointTest, ALivingListenerIsNotDisturbed) {
  UnixListener listener = listen();
  const Result<UnixListener> other = UnixListener::open(path_);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorClass::create);
  EXPECT_NE(other.error().message.find(std::to_string(::getpid())), std::string::npos);
  EXPECT_TRUE(UnixDialer(path_).dial());
}

TEST_F(UnixEndpointTest, ADeadListenersPlaceIsTaken) {
  test::StageProcess killed(
      [this]() -> Plan {
        const UnixListener listener = listen();
        (void)::raise(SIGKILL);
        return {};
      },
      -1, -1, dir_.file("said"));
  EXPECT_EQ(killed.wait(30'000), 128 + SIGKILL);
  ASSERT_TRUE(exists());
  EXPECT_FALSE(UnixDialer(path_).dial());
  UnixListener listener = listen();
  EXPECT_TRUE(UnixDialer(path_).dial());
}

TEST_F(UnixEndpointTest, AFileThatIsNoSocketIsNamed) {
  std::ofstream(path_) << "text";
  UnixDialer dialer(path_);
  EXPECT_FALSE(dialer.dial());
  EXPECT_EQ(dialer.why(), "it is not a socket");
}

TEST_F(UnixEndpointTest, PausesGrowToASecondAndAreShortAgainAfterItWorked) {
  UnixDialer dialer(path_);
  std::int64_t last = 0;
  for (int i = 0; i < 12; ++i) {
    EXPECT_FALSE(dialer.dial());
    const std::int64_t pause = dialer.next_ms() - monotonic_ms();
    EXPECT_LE(pause, UnixDialer::kMostPauseMs);
    EXPECT_GE(pause + 5, last);  // the clock goes on
    last = pause;
  }
  EXPECT_TRUE(dialer.is_patient());
  EXPECT_FALSE(dialer.why().empty());
  dialer.worked();
  dialer.lost("gone");
  EXPECT_FALSE(dialer.is_patient());
  EXPECT_EQ(dialer.why(), "gone");
}

TEST_F(UnixEndpointTest, WithoutFreeDescriptorsItWaitsForATime) {
  UnixListener listener = listen();
  const UniqueFd writer = UnixDialer(path_).dial();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{0, limit.rlim_max};
  PollSet set;
  listener.watch(set);
  ASSERT_FALSE(set.empty());
  set.wait();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_FALSE(listener.accept(set).fd);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  PollSet waiting;
  listener.watch(waiting);
  EXPECT_TRUE(waiting.empty());  // the socket would be readable all the time
  EXPECT_TRUE(
      test::eventually([&] { return static_cast<bool>(listener.accept(waiting).fd); }, 30'000));
  PollSet again;
  listener.watch(again);
  EXPECT_FALSE(again.empty());
}

}  // namespace
}  // namespace fl
