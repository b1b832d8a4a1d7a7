// The header that tells why there is no stream.
#include "common/stage/announce.h"

#include <gtest/gtest.h>

#include "common/stream/container.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

std::string read_all(int fd) {
  std::string all;
  char bytes[65536];
  for (ssize_t n = 0; (n = ::read(fd, bytes, sizeof bytes)) > 0;) {
    all.append(bytes, static_cast<std::size_t>(n));
  }
  return all;
}

TEST(Announce, ANamedPipeWithAReaderGetsTheFailureAndASocketThatRefuses) {
  const test::StageDir dir;
  const std::string path = dir.file("out");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  announce_failure({path}, Failure(78, "no such directory"), 1000);
  const std::string bytes = read_all(reader.get());
  ContainerHeader header;
  const Result<std::size_t> size = parse_container_header(bytes, header);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(*size, bytes.size()) << "something follows the header";
  EXPECT_EQ(header.find(kKeyFailed), "78 no such directory");
  EXPECT_EQ(header.find(kKeyStream).size(), 32U);
  const std::string socket(header.find(kKeyAck));
  EXPECT_EQ(::access(socket.c_str(), F_OK), 0) << "a missing socket means success";
}

TEST(Announce, ANamedPipeWithoutAReaderIsWaitedForNoLongerThanAllowed) {
  const test::StageDir dir;
  const std::string path = dir.file("out");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  announce_failure({path}, Failure(78, "x"), 1);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_EQ(read_all(reader.get()), "");
}

TEST(Announce, AFileIsLeftAlone) {
  const test::StageDir dir;
  std::ofstream(dir.file("out")) << "what was here";
  announce_failure({dir.file("out"), dir.file("none")}, Failure(78, "x"), 1000);
  EXPECT_EQ(test::content_of(dir.file("out")), "what was here");
  EXPECT_NE(::access(dir.file("none").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace fl
