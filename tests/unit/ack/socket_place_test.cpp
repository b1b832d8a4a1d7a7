// What a writer that failed leaves behind is removed by later ones, and nothing else is.
#include "common/ack/socket_place.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/support/temp_dir.h"

namespace fl {
namespace {

class SocketPlace : public ::testing::Test {
 protected:
  SocketPlace() {
    chmod(dir_.path().c_str(), 0711);
    setenv("FL_RUNTIME_DIR", dir_.path().c_str(), 1);
  }
  ~SocketPlace() override { unsetenv("FL_RUNTIME_DIR"); }

  static ListeningSocket listen() {
    Result<ListeningSocket> made = listen_in_runtime_dir();
    EXPECT_TRUE(made.ok());
    return std::move(*made);
  }
  static bool exists(const ListeningSocket& socket) {
    return access(socket.path.c_str(), F_OK) == 0;
  }
  static void make_old(const ListeningSocket& socket) {
    const timespec times[2] = {{0, UTIME_NOW}, {1'000'000'000, 0}};
    EXPECT_EQ(utimensat(AT_FDCWD, socket.path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

 private:
  TempDir dir_;
};

TEST_F(SocketPlace, OldSocketsThatRefuseAreRemoved) {
  ListeningSocket old_dead = listen();
  ListeningSocket young_dead = listen();
  const ListeningSocket old_alive = listen();
  make_old(old_dead);
  make_old(old_alive);
  old_dead.fd.reset();
  young_dead.fd.reset();
  // One start in sixteen sweeps: none of 1000 is as good as never.
  for (int i = 0; i < 1000 && exists(old_dead); ++i) {
    unlink(listen().path.c_str());
  }
  EXPECT_FALSE(exists(old_dead));
  EXPECT_TRUE(exists(young_dead));
  EXPECT_TRUE(exists(old_alive));
}

TEST_F(SocketPlace, AWriterThatEndsWhileItsReaderConnectsHasEndedWell) {
  for (const bool is_removed : {false, true}) {
    ListeningSocket writer = listen();
    const UniqueFd held(open(writer.path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (is_removed) {
      unlink(writer.path.c_str());
    }
    writer.fd.reset();
    UniqueFd connected;
    std::string why;
    EXPECT_EQ(connect_to_held(held.get(), connected, why),
              is_removed ? ConnectResult::finished : ConnectResult::refused);
    EXPECT_FALSE(connected);
  }
}

}  // namespace
}  // namespace fl
