// Both ends of the side connection against each other, and strangers against the writer's end.
#include "common/ack/ack_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "common/ack/ack_client.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

class AckServerTest : public testing::Test {
 protected:
  AckServerTest() {
    chmod(dir_.path().c_str(), 0711);
    setenv("FL_RUNTIME_DIR", dir_.path().c_str(), 1);
    pipe_ok_ = pipe(pipe_) == 0;
    server_ = std::move(*AckServer::open());
  }
  ~AckServerTest() override {
    close(pipe_[0]);
    close(pipe_[1]);
    unsetenv("FL_RUNTIME_DIR");
  }
  void serve(std::uint64_t written = 100) {
    for (int i = 0; i < 3; ++i) {
      PollSet set;
      server_->watch(set);
      set.wake_now();
      set.wait();
      server_->handle(set, written);
    }
  }
  UniqueFd connect_now() {
    UniqueFd fd;
    std::string why;
    EXPECT_EQ(ConnectResult::connected, connect_to_writer(server_->path(), pipe_[0], fd, why))
        << why;
    return fd;
  }

  TempDir dir_;
  int pipe_[2] = {-1, -1};
  bool pipe_ok_ = false;
  std::unique_ptr<AckServer> server_;
};

TEST_F(AckServerTest, AReaderThatWasNotHeardYetHearsTheEndOfAWriterThatGoes) {
  AckClient reader(connect_now(), server_->stream_id());
  server_->end(0);
  server_->remove();
  server_.reset();
  reader.handle();
  ASSERT_TRUE(reader.end().has_value());
  EXPECT_EQ(*reader.end(), 0U);
}

TEST_F(AckServerTest, AReaderAcknowledgesAndTheWriterSaysItsLines) {
  AckClient reader(connect_now(), server_->stream_id());
  reader.at("file synced and renamed");
  reader.ack(5);
  serve();
  ASSERT_TRUE(server_->has_reader());
  EXPECT_EQ("file synced and renamed", server_->rule());
  EXPECT_EQ(5U, server_->acked());
  server_->want(7);
  server_->end(9);
  reader.handle();
  EXPECT_EQ(9U, reader.want());
  EXPECT_EQ(9U, reader.end());
  EXPECT_FALSE(reader.busy());
}

TEST_F(AckServerTest, LinesSaidBeforeTheReaderCameReachIt) {
  server_->end(3);
  AckClient reader(connect_now(), server_->stream_id());
  serve();
  reader.handle();
  EXPECT_EQ(3U, reader.end());
}

TEST_F(AckServerTest, TheLastAckCountsThoughTheReaderHasClosed) {
  AckClient reader(connect_now(), server_->stream_id());
  serve();
  server_->want(3);
  reader.ack(11);
  reader.close();
  serve();
  EXPECT_EQ(11U, server_->acked());
  EXPECT_TRUE(server_->reader_lost());
}

TEST_F(AckServerTest, WhoDoesNotKnowTheStreamIsDropped) {
  AckClient stranger(connect_now(), "00000000000000000000000000000000");
  stranger.ack(1);
  serve();
  EXPECT_FALSE(server_->had_reader());
  EXPECT_EQ(0U, server_->acked());
  EXPECT_EQ(1U, server_->protocol_errors());
  stranger.handle();
  EXPECT_FALSE(stranger.is_open());
}

TEST_F(AckServerTest, AnAckForWhatWasNotSentEndsTheConnection) {
  AckClient reader(connect_now(), server_->stream_id());
  reader.ack(101);
  serve(100);
  EXPECT_TRUE(server_->reader_lost());
  EXPECT_EQ(0U, server_->acked());
}

TEST_F(AckServerTest, ASecondReaderIsToldBusyAndStillGetsEnd) {
  AckClient first(connect_now(), server_->stream_id());
  serve();
  AckClient second(connect_now(), server_->stream_id());
  second.ack(50);
  serve();
  server_->end(60);
  second.handle();
  EXPECT_TRUE(second.busy());
  EXPECT_EQ(60U, second.end());
  EXPECT_TRUE(server_->was_shared());
  EXPECT_EQ(0U, server_->acked());
}

TEST_F(AckServerTest, AnOverlongLineEndsTheConnection) {
  LineSocket socket(connect_now());
  socket.send("FL/1", server_->stream_id());
  socket.send(std::string(5000, 'x'));
  serve();
  serve();
  EXPECT_FALSE(server_->has_reader());
}

TEST_F(AckServerTest, UnknownLinesAreIgnored) {
  LineSocket socket(connect_now());
  socket.send("FL/1", server_->stream_id());
  socket.send("pos", "3 abc");
  socket.send("", "");
  socket.send("ack", 4);
  serve();
  EXPECT_EQ(4U, server_->acked());
}

TEST_F(AckServerTest, TheSocketIsForEverybodyAndGoesOnlyWithRemove) {
  struct stat info {};
  ASSERT_EQ(0, stat(server_->path().c_str(), &info));
  EXPECT_EQ(0666U, info.st_mode & 0777);
  const std::string path = server_->path();
  server_.reset();
  UniqueFd fd;
  std::string why;
  EXPECT_EQ(ConnectResult::refused, connect_to_writer(path, pipe_[0], fd, why));
  unlink(path.c_str());
  EXPECT_EQ(ConnectResult::finished, connect_to_writer(path, pipe_[0], fd, why));
}

TEST_F(AckServerTest, AHeaderCannotNameJustAnySocket) {
  UniqueFd fd;
  std::string why;
  const std::string other = dir_.path() + "/docker.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, other.c_str(), sizeof address.sun_path - 1);
  UniqueFd listening(socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(0, bind(listening.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  ASSERT_EQ(0, listen(listening.get(), 1));
  EXPECT_EQ(ConnectResult::barred, connect_to_writer(other, pipe_[0], fd, why));
  const std::string link = dir_.path() + "/fl-" + std::string(32, 'a') + ".ack";
  ASSERT_EQ(0, symlink(other.c_str(), link.c_str()));
  EXPECT_EQ(ConnectResult::barred, connect_to_writer(link, pipe_[0], fd, why));
  EXPECT_EQ(ConnectResult::barred, connect_to_writer("relative", pipe_[0], fd, why));
  EXPECT_EQ(ConnectResult::barred,
            connect_to_writer("/tmp/" + std::string(300, 'x'), pipe_[0], fd, why));
}

TEST_F(AckServerTest, ASavedStreamIsNotAnswered) {
  const std::string file = dir_.path() + "/saved";
  UniqueFd saved(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  UniqueFd fd;
  std::string why;
  EXPECT_EQ(ConnectResult::finished, connect_to_writer(server_->path(), saved.get(), fd, why));
}

TEST(LineSocket, OnlyTheNewestAckWaitsForASlowPeer) {
  int pair[2];
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
  LineSocket writer{UniqueFd(pair[0])};
  UniqueFd peer(pair[1]);
  std::uint64_t n = 0;
  for (; n < 2'000'000 && !writer.has_unsent(); ++n) {
    writer.send("ack", n);
  }
  ASSERT_TRUE(writer.has_unsent());
  writer.send("end", 77);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    writer.send("ack", n + i);
  }
  std::uint64_t last = 0;
  std::uint64_t end = 0;
  LineSocket reader{std::move(peer)};
  for (int i = 0; i < 1000; ++i) {
    reader.receive([&](std::string_view line) {
      std::string_view word;
      std::string_view rest;
      split_line(line, word, rest);
      (word == "ack" ? last : end) = std::stoull(std::string(rest));
    });
    writer.flush();
  }
  EXPECT_EQ(n + 9999, last);
  EXPECT_EQ(77U, end);
}

}  // namespace
}  // namespace fl
