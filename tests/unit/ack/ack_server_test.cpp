// Both ends of the side connection against each other, and strangers against the writer's end.
#include "common/ack/ack_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "common/ack/ack_client.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

const std::string kId(32, '0');

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
    EXPECT_EQ(ConnectResult::connected, connect_to_writer(server_->path(), kId, pipe_[0], fd, why))
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

TEST_F(AckServerTest, NobodyConnectsToAWriterThatHasRemovedItsSocket) {
  const UniqueFd held(open(server_->path().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  server_->end(0);
  server_->remove();
  UniqueFd fd;
  std::string why;
  EXPECT_EQ(connect_to_held(held.get(), fd, why), ConnectResult::finished);
}

TEST_F(AckServerTest, AReaderAcknowledgesAndTheWriterSaysItsLines) {
  AckClient reader(connect_now(), server_->stream_id());
  reader.at("file synced and renamed");
  reader.ack(5);
  serve();
  ASSERT_TRUE(server_->has_reader());
  EXPECT_EQ("file synced and renamed", server_->guarantee()->text);
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
  socket.send(std::string(LineSocket::kMaxLine, 'x'));
  serve();
  ASSERT_TRUE(server_->has_reader());
  socket.send(std::string(LineSocket::kMaxLine + 1, 'x'));
  serve();
  EXPECT_TRUE(server_->reader_lost());
}

TEST_F(AckServerTest, ALineThatNeverEndsEndsTheConnection) {
  const UniqueFd socket = connect_now();
  const std::string text = "FL/1 " + server_->stream_id() + "\n" + std::string(5000, 'x');
  ASSERT_EQ(static_cast<ssize_t>(text.size()), write(socket.get(), text.data(), text.size()));
  serve();
  EXPECT_TRUE(server_->had_reader());
  EXPECT_FALSE(server_->has_reader());
}

TEST_F(AckServerTest, UnknownLinesAreIgnored) {
  LineSocket socket(connect_now());
  socket.send("FL/1", server_->stream_id());
  socket.send("pos", "3 abc");
  socket.send("perhaps", "later");
  socket.send("", "");
  socket.send("ack", 4);
  serve();
  EXPECT_EQ(4U, server_->acked());
}

TEST_F(AckServerTest, PositionsComeInOrderToAReaderThatKeepsThem) {
  AckClient reader(connect_now(), server_->stream_id());
  reader.resume({{"a", "old"}, {"b b", "place\n"}});
  reader.at("durable log synced");
  serve();
  ASSERT_TRUE(server_->kept_positions().has_value());
  EXPECT_EQ((std::vector<Position>{{"a", "old"}, {"b b", "place\n"}}), *server_->kept_positions());
  for (std::uint64_t n = 1; n <= 3; ++n) {
    server_->position(n, {"a", std::to_string(n)});
    server_->want(n);
  }
  server_->position(4, {"", "no source"});
  reader.handle();
  for (std::uint64_t n = 1; n <= 3; ++n) {
    const auto entry = reader.take_position(3);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(n, entry->events);
    EXPECT_EQ((Position{"a", std::to_string(n)}), entry->position);
  }
  EXPECT_FALSE(reader.take_position(1000).has_value());
  EXPECT_TRUE(reader.is_open());
}

TEST_F(AckServerTest, AReaderThatKeepsNoPositionsHearsOfNone) {
  AckClient reader(connect_now(), server_->stream_id());
  reader.at("printed");
  serve();
  EXPECT_FALSE(server_->kept_positions().has_value());
  server_->position(1, {"a", "1"});  // if it is called nevertheless
  reader.handle();
  EXPECT_FALSE(reader.take_position(1000).has_value());
}

TEST_F(AckServerTest, ResumeAfterAtComesTooLate) {
  AckClient reader(connect_now(), server_->stream_id());
  reader.at("durable log synced");
  reader.resume({{"a", "old"}});
  serve();
  EXPECT_FALSE(server_->kept_positions().has_value());
  EXPECT_TRUE(server_->has_reader());
}

TEST_F(AckServerTest, APositionThatIsNoneEndsTheConnection) {
  LineSocket socket(connect_now());
  socket.send("FL/1", server_->stream_id());
  socket.send_in_order("resume", "a %");
  serve();
  EXPECT_TRUE(server_->reader_lost());
  EXPECT_EQ(1U, server_->protocol_errors());
}

TEST_F(AckServerTest, WhatAReaderKeepsIsBounded) {
  LineSocket socket(connect_now());
  socket.send("FL/1", server_->stream_id());
  for (int i = 0; i < 200; ++i) {
    socket.send_in_order("resume", "a " + std::string(4000, 'x'));
    serve();
  }
  ASSERT_TRUE(server_->kept_positions().has_value());
  EXPECT_EQ(PositionQueue::kMostBytes / 4002, server_->kept_positions()->size());
  EXPECT_TRUE(server_->has_reader());
}

TEST_F(AckServerTest, OnlyLinesWithPositionsAreLong) {
  LineSocket socket(connect_now());
  socket.send("FL/1", server_->stream_id());
  socket.send_in_order("resume", "a " + std::string(Position::kMaxBytes - 2, 'x'));
  serve();
  ASSERT_TRUE(server_->has_reader());
  socket.send_in_order("resume", "a " + std::string(LineSocket::kMaxPositionLine, 'x'));
  serve();
  EXPECT_TRUE(server_->reader_lost());
}

TEST_F(AckServerTest, TheSocketIsForEverybodyAndGoesOnlyWithRemove) {
  struct stat info {};
  ASSERT_EQ(0, stat(server_->path().c_str(), &info));
  EXPECT_EQ(0666U, info.st_mode & 0777);
  const std::string path = server_->path();
  server_.reset();
  UniqueFd fd;
  std::string why;
  EXPECT_EQ(ConnectResult::refused, connect_to_writer(path, kId, pipe_[0], fd, why));
  unlink(path.c_str());
  EXPECT_EQ(ConnectResult::finished, connect_to_writer(path, kId, pipe_[0], fd, why));
}

TEST_F(AckServerTest, WhoOnlyConnectsNeverKeepsTheReaderOut) {
  std::vector<UniqueFd> strangers;
  for (int i = 0; i < 20; ++i) {
    strangers.push_back(connect_now());
  }
  AckClient reader(connect_now(), server_->stream_id());
  for (int i = 0; i < 20; ++i) {
    strangers.push_back(connect_now());
  }
  serve();
  EXPECT_TRUE(server_->has_reader());
}

TEST_F(AckServerTest, WithoutDescriptorsTheListenerWaitsAndTheReaderStillComes) {
  AckClient reader(connect_now(), server_->stream_id());
  rlimit before{};
  ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(UniqueFd(dup(pipe_[0])).get());  // all below it are taken
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
  serve();
  PollSet set;
  server_->watch(set);
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
  EXPECT_TRUE(set.empty()) << "the listening socket is readable all the time";
  for (int i = 0; i < 100 && !server_->has_reader(); ++i) {
    PollSet turn;
    server_->watch(turn);
    turn.wait();
    server_->handle(turn, 100);
  }
  EXPECT_TRUE(server_->has_reader());
}

// Sockets that a header may name, and folders on the way there.
class SocketPlaceTest : public AckServerTest {
 protected:
  SocketPlaceTest() { name_ = "/fl-" + std::string(32, 'a') + ".ack"; }
  static UniqueFd listen_at(const std::string& path, int backlog = 1) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(0, bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
    EXPECT_EQ(0, chmod(path.c_str(), 0666));
    EXPECT_EQ(0, listen(fd.get(), backlog));
    return fd;
  }
  // "connected", or why not.
  std::string outcome(const std::string& path, const std::string& id = kId) {
    UniqueFd fd;
    std::string why = "?";
    switch (connect_to_writer(path, id, pipe_[0], fd, why)) {
      case ConnectResult::connected:
        return fd ? "connected" : "no descriptor";
      case ConnectResult::finished:
        return "finished";
      case ConnectResult::refused:
        return "refused";
      case ConnectResult::busy:
        return "busy";
      case ConnectResult::barred:
        return why;
    }
    return {};
  }
  std::string in(const std::string& folder) { return dir_.path() + folder + name_; }

  std::string name_;
};

TEST_F(SocketPlaceTest, AnybodysSocketIsFineWhereEverybodyMayConnect) {
  const UniqueFd listening = listen_at(in(""));
  EXPECT_EQ("connected", outcome(in("")));
  if (geteuid() == 0) {
    ASSERT_EQ(0, chown(in("").c_str(), 65534, 65534));
    EXPECT_EQ("connected", outcome(in("")));
  }
}

TEST_F(SocketPlaceTest, AHeaderCannotNameJustAnySocket) {
  const std::string other = dir_.path() + "/docker.sock";
  const UniqueFd listening = listen_at(other, 10);
  EXPECT_EQ("its name is not that of such a socket", outcome(other));
  EXPECT_EQ("its name is not that of such a socket", outcome("relative"));
  EXPECT_EQ("its name is not that of such a socket", outcome(""));
  EXPECT_EQ("its name is not that of such a socket", outcome("/tmp/" + std::string(300, 'x')));
  EXPECT_EQ("its path is not absolute and plain", outcome("." + name_));
  ASSERT_EQ(0, symlink(other.c_str(), in("").c_str()));
  EXPECT_EQ("it is not a socket", outcome(in("")));
  ASSERT_EQ(0, unlink(in("").c_str()));
  ASSERT_EQ(0, link(other.c_str(), in("").c_str()));
  EXPECT_EQ("it has another name besides", outcome(in("")));
  ASSERT_EQ(0, unlink(in("").c_str()));
  const UniqueFd file(open(in("").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  EXPECT_EQ("it is not a socket", outcome(in("")));
}

TEST_F(SocketPlaceTest, WhatNotEverybodyMayReachIsBarred) {
  ASSERT_EQ(0, mkdir((dir_.path() + "/real").c_str(), 0755));
  const UniqueFd listening = listen_at(in("/real"), 10);
  EXPECT_EQ("connected", outcome(in("/real")));
  ASSERT_EQ(0, chmod(in("/real").c_str(), 0664));
  EXPECT_EQ("it is not open to everybody", outcome(in("/real")));
  ASSERT_EQ(0, chmod(in("/real").c_str(), 0666));
  ASSERT_EQ(0, chmod((dir_.path() + "/real").c_str(), 0710));
  EXPECT_EQ("'" + dir_.path() + "/real' is not open to everybody", outcome(in("/real")));
  ASSERT_EQ(0, chmod((dir_.path() + "/real").c_str(), 0755));
  ASSERT_EQ(0, symlink("real", (dir_.path() + "/link").c_str()));
  EXPECT_EQ("'" + dir_.path() + "/link' is a link", outcome(in("/link")));
  for (const char* folder : {"/./real", "/real/.", "//real", "/real/", "/real/../real"}) {
    EXPECT_EQ("its path is not absolute and plain", outcome(in(folder))) << folder;
  }
  EXPECT_EQ("its name is not that of such a socket",
            outcome(dir_.path() + "/real" + std::string(1, '\0') + name_));
  EXPECT_EQ("finished", outcome(in("/gone")));
  EXPECT_EQ("finished", outcome(in("/real" + name_)));  // a file where a folder was
  EXPECT_EQ("connected", outcome(in("/real")));
}

TEST_F(SocketPlaceTest, OnlyTheIdOfAStreamIsSent) {
  const UniqueFd listening = listen_at(in(""), 10);
  EXPECT_EQ("connected", outcome(in(""), "0123456789abcdef0123456789ABCDEF"));
  for (const std::string& id : {std::string(), std::string(31, '0'), std::string(33, '0'),
                                std::string(31, '0') + "g", std::string(30, '0') + "\nx"}) {
    EXPECT_EQ("the id of the stream is not 32 hexadecimal digits", outcome(in(""), id)) << id;
  }
}

TEST_F(SocketPlaceTest, AFullQueueIsWorthAnotherTryAndLackOfDescriptorsIsSaid) {
  const UniqueFd listening = listen_at(in(""), 0);
  std::vector<UniqueFd> held;
  std::string last;
  for (int i = 0; i < 10 && last != "busy"; ++i) {
    UniqueFd fd;
    std::string why;
    last =
        connect_to_writer(in(""), kId, pipe_[0], fd, why) == ConnectResult::connected ? "" : "busy";
    held.push_back(std::move(fd));
  }
  EXPECT_EQ("busy", outcome(in("")));
  const UniqueFd accepted(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ("connected", outcome(in("")));

  rlimit before{};
  ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
  const std::string starved = outcome(in(""));
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
  EXPECT_EQ("Too many open files", starved);
}

TEST_F(SocketPlaceTest, TheListeningSideNamesAPathWithoutLinks) {
  ASSERT_EQ(0, mkdir((dir_.path() + "/real").c_str(), 0711));
  ASSERT_EQ(0, symlink("real", (dir_.path() + "/link").c_str()));
  setenv("FL_RUNTIME_DIR", (dir_.path() + "/./link/").c_str(), 1);
  server_ = std::move(*AckServer::open());
  EXPECT_EQ(dir_.path() + "/real", server_->path().substr(0, server_->path().rfind('/')));
  EXPECT_EQ("connected", outcome(server_->path()));
}

TEST_F(AckServerTest, ASavedStreamIsNotAnswered) {
  const std::string file = dir_.path() + "/saved";
  UniqueFd saved(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  UniqueFd fd;
  std::string why;
  EXPECT_EQ(ConnectResult::finished, connect_to_writer(server_->path(), kId, saved.get(), fd, why));
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

// The peer reads nothing for a while: no line in order is lost before the bound, and at the bound
// the newest of them stays.
TEST(LineSocket, LinesInOrderWaitUpToABound) {
  int pair[2];
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
  LineSocket writer{UniqueFd(pair[0])};
  LineSocket reader{UniqueFd(pair[1])};
  std::uint64_t sent = 0;
  std::uint64_t heard = 0;
  bool in_order = true;
  const auto read_all = [&] {
    for (int i = 0; i < 1000; ++i) {
      writer.flush();
      reader.receive([&](std::string_view line) {
        std::string_view word;
        std::string_view rest;
        split_line(line, word, rest);
        in_order = in_order && word == "pos" && std::stoull(std::string(rest)) > heard;
        heard = std::stoull(std::string(rest));
      });
    }
  };
  while (!writer.has_unsent()) {
    writer.send_in_order("pos", std::to_string(++sent));
  }
  for (int i = 0; i < 1000; ++i) {
    writer.send_in_order("pos", std::to_string(++sent));
  }
  std::uint64_t lines = 0;
  reader.receive([&](std::string_view) { ++lines; });
  for (int i = 0; i < 1000 && writer.has_unsent(); ++i) {
    writer.flush();
    reader.receive([&](std::string_view) { ++lines; });
  }
  EXPECT_EQ(sent, lines) << "none is replaced";

  const std::string filler(1000, '0');
  for (std::size_t bytes = 0; bytes < 4 * LineSocket::kMostWaiting; bytes += filler.size()) {
    writer.send_in_order("pos", filler + std::to_string(++sent));
  }
  lines = 0;
  read_all();
  EXPECT_EQ(sent, heard) << "the newest is never lost";
  EXPECT_TRUE(in_order);
}

}  // namespace
}  // namespace fl
