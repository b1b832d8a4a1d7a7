// One stream on a real pipe, socket or file, and what is concluded about its reader.
#include "common/stage/output.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <functional>

#include "common/ack/ack_client.h"
#include "common/ack/socket_place.h"
#include "tests/support/numbered_events.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

using Reader = Output::Reader;

class OutputTest : public testing::Test {
 protected:
  Output& open(UniqueFd fd, Output::Settings settings = {}) {
    output_.emplace(std::move(fd), settings);
    EXPECT_TRUE(output_->open().ok());
    output_->start();
    EXPECT_TRUE(output_->pump().ok());
    return *output_;
  }
  void turn() {
    PollSet set;
    output_->watch(set);
    set.wake_now();
    set.wait();
    EXPECT_TRUE(output_->handle(set).ok());
  }
  // One block of `count` numbered events.
  void send(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      output_->builder().add({}, std::to_string(next_++));
    }
    output_->flush_builder();
    EXPECT_TRUE(output_->pump().ok());
  }
  // Reads the header and connects, as a stage does.
  void connect() {
    std::string bytes(1 << 16, '\0');
    const ssize_t n = ::read(pipe_.read.get(), bytes.data(), bytes.size());
    ASSERT_GT(n, 0);
    ContainerHeader header;
    ASSERT_TRUE(parse_container_header(
                    std::string_view(bytes).substr(0, static_cast<std::size_t>(n)), header)
                    .ok());
    if (connect_at_) {
      connect_at_();
    }
    UniqueFd fd;
    std::string why;
    ASSERT_EQ(
        connect_to_writer(header.find(kKeyAck), header.find(kKeyStream), pipe_.read.get(), fd, why),
        ConnectResult::connected)
        << why;
    client_ = AckClient(std::move(fd), header.find(kKeyStream));
  }
  void turns() {
    turn();
    turn();
    client_.handle();
  }
  /// A thread is to finish.
  void await(const std::function<bool()>& is_there) {
    for (int i = 0; i < 1000 && !is_there(); ++i) {
      PollSet set;
      output_->watch(set);
      set.wake_at(monotonic_ms() + 20);
      set.wait();
      EXPECT_TRUE(output_->handle(set).ok());
    }
    EXPECT_TRUE(is_there());
  }

  test::StageDir dir_;
  test::Pipe pipe_ = test::make_pipe();
  std::optional<Output> output_;
  AckClient client_;
  std::function<void()> connect_at_;  // between reading the header and connecting
  std::uint64_t next_ = 0;
};

// Between a poll and close() a fast reader may connect, have enough, and be gone (`head -n 1`).
TEST_F(OutputTest, EnoughIsHeardThoughTheReaderIsGoneWhenTheStreamIsClosed) {
  Output& output = open(std::move(pipe_.write));
  send(10);
  connect();
  client_.at("printed printed");
  client_.ack(1);
  client_.enough();
  client_ = AckClient();
  pipe_.read.reset();
  EXPECT_TRUE(output.close({}, false).ok());
  EXPECT_TRUE(output.closed());
  EXPECT_TRUE(output.enough());
  EXPECT_EQ(output.acked(), 1U);
  EXPECT_EQ(output.reader(), Reader::acking);
}

TEST_F(OutputTest, AReaderThatConnectsAcknowledges) {
  Output& output = open(std::move(pipe_.write));
  EXPECT_EQ(output.reader(), Reader::unknown);
  EXPECT_FALSE(output.guarantee().has_value());
  connect();
  send(10);
  client_.at("durable stored");
  client_.ack(4);
  turns();
  EXPECT_EQ(output.reader(), Reader::acking);
  ASSERT_TRUE(output.guarantee().has_value());
  EXPECT_EQ(output.guarantee()->level, Level::durable);
  EXPECT_EQ(output.sent(), 10U);
  EXPECT_EQ(output.acked(), 4U);
  output.want(10);
  turns();
  EXPECT_EQ(client_.want(), 10U);
  EXPECT_TRUE(output.close({}, false).ok());
  EXPECT_TRUE(output.closed());
  turns();
  EXPECT_EQ(client_.end(), std::optional<std::uint64_t>(10));
  client_.ack(10);
  turns();
  EXPECT_EQ(output.acked(), 10U);
  output.remove_socket();
}

TEST_F(OutputTest, NumbersAreWithTheReaderBeforeTheirEvents) {
  const std::string log(32, 'a');
  output_.emplace(std::move(pipe_.write), Output::Settings());
  ASSERT_TRUE(output_->open().ok());
  output_->number(0, EventNumber{log, 7});  // for the header
  output_->start();
  ASSERT_TRUE(output_->pump().ok());
  output_->number(0, EventNumber{log, 7});
  send(3);
  turn();
  EXPECT_TRUE(output_->busy()) << "nobody has heard the number";
  connect();
  turns();
  turn();
  EXPECT_FALSE(output_->busy());
  output_->number(3, EventNumber{log, 10});  // no news
  send(1);
  output_->number(4, EventNumber{log, 20});
  send(1);
  output_->number(5, std::nullopt);
  send(1);
  turns();
  NumberMap& numbers = client_.numbers();
  EXPECT_EQ(numbers.of(0), (EventNumber{log, 7}));
  EXPECT_EQ(numbers.next_mark(0), 4U);
  EXPECT_EQ(numbers.of(4), (EventNumber{log, 20}));
  EXPECT_FALSE(numbers.of(5));
}

TEST_F(OutputTest, AReaderThatComesTooLateHearsNoNumbers) {
  Output& output = open(std::move(pipe_.write), {.ack = true, .ack_wait_ms = 0});
  output.number(0, EventNumber{std::string(32, 'a'), 7});
  send(1);
  EXPECT_TRUE(output.busy());
  connect_at_ = [&] {
    turn();
    turn();
    EXPECT_EQ(output.reader(), Reader::foreign);
    turn();
    EXPECT_FALSE(output.busy());
  };
  connect();
  turns();
  EXPECT_EQ(output.reader(), Reader::acking);
  EXPECT_FALSE(client_.numbers().of(0));
}

TEST_F(OutputTest, AReaderThatTakesTheHeaderAndDoesNotConnectIsForeign) {
  Output& output = open(std::move(pipe_.write), {.ack = true, .ack_wait_ms = 0});
  turn();
  EXPECT_EQ(output.reader(), Reader::unknown) << "the header lies untouched";
  char bytes[65536];
  ASSERT_GT(::read(pipe_.read.get(), bytes, sizeof bytes), 0);
  turn();
  turn();
  EXPECT_EQ(output.reader(), Reader::foreign);
  send(3);
  EXPECT_EQ(output.acked(), 0U) << "nothing is taken yet";
  ASSERT_GT(::read(pipe_.read.get(), bytes, sizeof bytes), 0);
  EXPECT_EQ(output.acked(), 3U);
  EXPECT_EQ(output.guarantee()->level, Level::none);
}

TEST_F(OutputTest, AReaderHasItsTimeToConnectOnceItHasTakenTheHeader) {
  ManualClock clock;
  Output& output = open(std::move(pipe_.write), {.ack = true, .ack_wait_ms = 2000});
  clock.advance(60'000);
  turn();
  EXPECT_EQ(output.reader(), Reader::unknown) << "the header lies untouched";
  char bytes[65536];
  ASSERT_GT(::read(pipe_.read.get(), bytes, sizeof bytes), 0);
  turn();
  clock.advance(1999);
  turn();
  EXPECT_EQ(output.reader(), Reader::unknown);
  clock.advance(1);
  turn();
  EXPECT_EQ(output.reader(), Reader::foreign);
}

TEST_F(OutputTest, APipeThatNobodyReadsIsLookedAtEverMoreRarely) {
  ManualClock clock;
  open(std::move(pipe_.write), {.ack = true, .ack_wait_ms = 2000});
  send(3);
  const std::int64_t begin = monotonic_ms();
  int looks = 0;
  while (monotonic_ms() - begin < 60'000 && looks < 1000) {
    PollSet set;
    output_->watch(set);
    set.wait();
    EXPECT_TRUE(output_->handle(set).ok());
    ++looks;
  }
  EXPECT_LE(looks, 130);
}

TEST_F(OutputTest, AFailureWaitsForItsTimeAndNoLonger) {
  ManualClock clock;
  Output& output = open(std::move(pipe_.write), {.ack = true, .ack_wait_ms = 2000});
  const std::int64_t begin = monotonic_ms();
  EXPECT_TRUE(output.close(Failure(74, "x"), false).ok());
  for (int i = 0; i < 1000 && !output.closed(); ++i) {
    PollSet set;
    output.watch(set);
    set.wait();
    EXPECT_TRUE(output.handle(set).ok());
    EXPECT_TRUE(output.close(Failure(74, "x"), false).ok());
  }
  EXPECT_TRUE(output.closed());
  EXPECT_EQ(monotonic_ms() - begin, 2000);
}

// While nothing is taken the pipe is looked at ever more rarely. A look may fall between a read
// that empties it and the connection, which takes the reader a millisecond.
TEST_F(OutputTest, AReaderThatTakesTheStreamLateHasTimeToConnect) {
  ManualClock clock;
  Output& output = open(std::move(pipe_.write));
  send(3);
  EXPECT_TRUE(output.close({}, false).ok());
  clock.advance(300);  // longer than a reader has after its last read
  connect_at_ = [&output] {
    EXPECT_TRUE(output.close({}, false).ok());
    EXPECT_FALSE(output.closed());
  };
  connect();
  turns();
  EXPECT_TRUE(output.close({}, false).ok());
  EXPECT_EQ(output.reader(), Reader::acking);
  turns();
  EXPECT_EQ(client_.end(), std::optional<std::uint64_t>(3));
  output.remove_socket();
}

TEST_F(OutputTest, AReaderThatGoesIsSeenAndItsLastWordsCount) {
  Output& output = open(std::move(pipe_.write));
  connect();
  send(5);
  turns();
  client_.ack(5);
  client_.enough();
  client_.close();
  pipe_.read.reset();
  turn();
  EXPECT_TRUE(output.closed_early());
  EXPECT_TRUE(output.enough());
  EXPECT_TRUE(output.reader_lost());
  EXPECT_EQ(output.acked(), 5U);
}

TEST_F(OutputTest, AFullPipeIsBusyAndLosesNothing) {
  Output& output = open(std::move(pipe_.write));
  connect();
  std::uint64_t blocks = 0;
  while (!output.busy() && blocks < 10'000) {
    output.builder().add({}, std::string(30'000, 'x'));
    output.flush_builder();
    EXPECT_TRUE(output.pump().ok());
    ++blocks;
  }
  ASSERT_TRUE(output.busy());
  std::uint64_t read = 0;
  std::string bytes(1 << 16, '\0');
  for (int i = 0; i < 1000 && (output.busy() || read < blocks * 30'000); ++i) {
    const ssize_t n = ::read(pipe_.read.get(), bytes.data(), bytes.size());
    ASSERT_GT(n, 0);
    read += static_cast<std::uint64_t>(n);
    turn();
  }
  EXPECT_FALSE(output.busy());
  EXPECT_GE(read, blocks * 30'000);
  EXPECT_TRUE(output.builder().empty());
}

TEST_F(OutputTest, AFailureWaitsUntilItWasHeard) {
  Output& output = open(std::move(pipe_.write));
  connect();
  turns();
  EXPECT_TRUE(output.close(Failure(78, "no such directory"), false).ok());
  turns();
  ASSERT_TRUE(client_.failure().has_value());
  EXPECT_EQ(client_.failure()->status, 78);
  EXPECT_TRUE(output.close(Failure(78, "no such directory"), false).ok());
  EXPECT_TRUE(output.closed());
}

TEST_F(OutputTest, AFailureThatNobodyHearsIsNotWaitedForInAHurry) {
  Output& output = open(std::move(pipe_.write));
  EXPECT_TRUE(output.close(Failure(74, "x"), false).ok());
  EXPECT_FALSE(output.closed());
  EXPECT_TRUE(output.close(Failure(74, "x"), true).ok());
  EXPECT_TRUE(output.closed());
}

TEST_F(OutputTest, AFileIsSafeWhenItIsSynced) {
  const std::string path = dir_.file("out");
  Output& output = open(UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
  EXPECT_EQ(output.reader(), Reader::file);
  send(3);
  EXPECT_EQ(output.acked(), 0U);
  output.want(2);
  await([&] { return output.acked() > 0; });
  EXPECT_EQ(output.acked(), 3U);
  send(2);
  EXPECT_EQ(output.acked(), 3U);
  EXPECT_TRUE(output.close({}, false).ok());
  await([&] { return !output.close({}, false) || output.closed(); });
  EXPECT_TRUE(output.closed());
  EXPECT_EQ(output.acked(), 5U);
  EXPECT_EQ(output.guarantee()->level, Level::durable);
}

TEST_F(OutputTest, AClosedSocketIsNoticed) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd reader(ends[1]);
  Output& output = open(UniqueFd(ends[0]));
  turn();
  EXPECT_FALSE(output.closed_early());
  reader.reset();
  turn();
  EXPECT_TRUE(output.closed_early());
}

// A socket counts what is in it with the memory that it takes: more than was written.
TEST_F(OutputTest, AnUntouchedHeaderInASocketIsNotTaken) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd reader(ends[1]);
  Output& output = open(UniqueFd(ends[0]), {.ack = true, .ack_wait_ms = 0});
  for (int i = 0; i < 3; ++i) {
    turn();
  }
  EXPECT_EQ(output.reader(), Reader::unknown);
  std::string bytes(1 << 16, '\0');
  ASSERT_GT(::read(reader.get(), bytes.data(), bytes.size()), 0);
  for (int i = 0; i < 3; ++i) {
    turn();
  }
  EXPECT_EQ(output.reader(), Reader::foreign);
}

// What was in the socket is lost with its reader, and was not handed over.
TEST_F(OutputTest, AReaderThatClosesASocketUnreadHasTakenNothing) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  UniqueFd reader(ends[1]);
  Output& output = open(UniqueFd(ends[0]), {.ack = false});
  send(5);
  turn();
  reader.reset();
  EXPECT_EQ(output.acked(), 0U);
  send(1);
  turn();
  EXPECT_TRUE(output.closed_early());
  EXPECT_EQ(output.acked(), 0U);
}

}  // namespace
}  // namespace fl
