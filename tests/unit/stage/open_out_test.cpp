#include "common/stage/open_out.h"

#include <gtest/gtest.h>

#include "common/io/signals.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

TEST(OpenOut, AFileIsMadeAndOneThatIsReadIsNotEmptied) {
  const test::StageDir dir;
  EXPECT_TRUE(open_out(dir.file("new"), {"-"}).ok());
  std::ofstream(dir.file("in")) << "kept";
  const Result<UniqueFd> same = open_out(dir.file("in"), {dir.file("in")});
  ASSERT_FALSE(same.ok());
  EXPECT_EQ(same.error().kind, ErrorClass::usage);
  EXPECT_EQ(test::content_of(dir.file("in")), "kept");
  EXPECT_TRUE(open_out(dir.file("in"), {dir.file("new")}).ok());
  EXPECT_EQ(test::content_of(dir.file("in")), "") << "a file that is not read is emptied";
}

TEST(OpenOut, ADirectoryThatIsMissingIsOfClassCreate) {
  const test::StageDir dir;
  EXPECT_EQ(open_out(dir.file("none/out"), {}).error().kind, ErrorClass::create);
}

TEST(OpenOut, ANamedPipeIsOpenedWhenItHasAReaderAndBlocksThen) {
  const test::StageDir dir;
  const std::string path = dir.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const Result<UniqueFd> out = open_out(path, {});
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(::fcntl(out->get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(OpenOut, TermEndsTheWaitForAReader) {
  const test::StageDir dir;
  const std::string path = dir.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    watch_signals();
    ::raise(SIGTERM);
    const Result<UniqueFd> out = open_out(path, {});
    ::_exit(out ? 0 : static_cast<int>(out.error().kind));
  }
  int status = -1;
  ASSERT_TRUE(
      test::eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }, 30'000));
  EXPECT_EQ(WEXITSTATUS(status), 75);
}

TEST(CheckDistinct, OnePipeByTwoNamesIsRefused) {
  const test::StageDir dir;
  ASSERT_EQ(::mkfifo(dir.file("a").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("a", dir.file("b").c_str()), 0);
  EXPECT_EQ(check_distinct({dir.file("a"), dir.file("b")}).error().kind, ErrorClass::usage);
  EXPECT_FALSE(check_distinct({dir.file("new"), dir.file("./new")}).ok());
  EXPECT_FALSE(check_distinct({"-", "/dev/stdout"}).ok());
  EXPECT_FALSE(check_distinct({dir.file("new"), dir.file("new")}).ok());
  EXPECT_FALSE(check_distinct({"-", ""}).ok());
  EXPECT_TRUE(check_distinct({dir.file("a"), dir.file("new")}).ok());
}

TEST(CheckDistinct, ADeviceMayBeNamedTwice) {
  EXPECT_TRUE(check_distinct({"/dev/null", "/dev/null"}).ok());
  EXPECT_TRUE(check_distinct({"/dev/null", "/dev/zero"}).ok());
}

}  // namespace
}  // namespace fl
