// An output whose readers come and go, with the readers in the same process.
#include "common/stage/kept_output.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "common/ack/ack_client.h"
#include "common/ack/socket_place.h"
#include "common/io/input_buffer.h"
#include "common/stream/stream_reader.h"
#include "tests/support/numbered_events.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

// One connection: its stream, and what is said about it.
class Connection {
 public:
  explicit Connection(UniqueFd fd) : fd_(std::move(fd)) {}

  void read() {
    while (fd_ && buffer_.read(fd_.get(), reader_.bytes_wanted()) > 0) {}
    for (;;) {
      const Result<StreamReader::Item> item = reader_.next(buffer_, false);
      ASSERT_TRUE(item.ok());
      if (*item == StreamReader::Item::header) {
        greet();
      } else if (*item == StreamReader::Item::block) {
        const Numbers more = numbers_of(reader_.block());
        numbers.insert(numbers.end(), more.begin(), more.end());
      } else {
        break;
      }
    }
    writer.handle();
  }
  void close() {
    fd_.reset();
    writer.close();
  }

  Numbers numbers;
  AckClient writer;

 private:
  void greet() {
    const std::string_view id = reader_.header().find(kKeyStream);
    UniqueFd fd;
    std::string why;
    ASSERT_EQ(connect_to_writer(reader_.header().find(kKeyAck), id, fd_.get(), fd, why),
              ConnectResult::connected)
        << why;
    writer = AckClient(std::move(fd), id);
    writer.at("printed printed");
    writer.handle();
  }

  UniqueFd fd_;
  InputBuffer buffer_;
  StreamReader reader_{EventLimits()};
};

class KeptOutputTest : public testing::Test {
 protected:
  void open(OutputSettings settings = {}) {
    output_ = std::make_unique<KeptOutput>(path_, settings);
    ASSERT_TRUE(output_->open().ok());
    output_->start();
  }
  void send(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      output_->builder().add({}, std::to_string(next_++));
    }
    output_->flush_builder();
  }
  void turn() {
    PollSet set;
    output_->watch(set);
    set.wake_now();
    set.wait();
    ASSERT_TRUE(output_->handle(set).ok());
  }
  void listen() {
    Result<UnixListener> listener = UnixListener::open(path_);
    ASSERT_TRUE(listener.ok());
    listener_.emplace(std::move(*listener));
  }
  // Both sides go on until `done`.
  void until(const std::function<bool()>& done) {
    ASSERT_TRUE(test::eventually(
        [&] {
          turn();
          PollSet set;
          if (listener_) {
            listener_->watch(set);
            set.wake_now();
            set.wait();
            if (UnixListener::Peer peer = listener_->accept(set); peer.fd) {
              reader_ = std::make_unique<Connection>(std::move(peer.fd));
            }
          }
          if (reader_) {
            reader_->read();
          }
          return done();
        },
        30'000));
  }
  void until_read(const Numbers& numbers) {
    until([&] { return reader_ && reader_->numbers == numbers; });
  }
  void lose_reader() {
    reader_->close();
    reader_.reset();
  }

  test::StageDir dir_;
  const std::string path_ = dir_.file("x.sock");
  std::unique_ptr<KeptOutput> output_;
  std::optional<UnixListener> listener_;
  std::unique_ptr<Connection> reader_;
  std::uint64_t next_ = 0;
};

TEST_F(KeptOutputTest, WhatNobodyTakesIsKeptForWhoeverComes) {
  open();
  send(2);
  turn();
  EXPECT_EQ(output_->sent(), 2U);
  EXPECT_EQ(output_->acked(), 0U);
  EXPECT_FALSE(output_->guarantee());
  listen();
  until_read({0, 1});
  send(1);
  until_read({0, 1, 2});
  until([&] { return output_->guarantee().has_value(); });
  EXPECT_EQ(output_->guarantee()->level, Level::printed);
}

TEST_F(KeptOutputTest, TheNextReaderBeginsWithTheFirstEventThatIsNotSafe) {
  listen();
  open();
  send(5);
  until_read({0, 1, 2, 3, 4});
  reader_->writer.ack(2);
  until([&] { return output_->acked() == 2; });
  lose_reader();
  send(1);
  until_read({2, 3, 4, 5});
  EXPECT_FALSE(output_->reader_lost());
  reader_->writer.ack(4);  // of its own stream
  until([&] { return output_->acked() == 6; });
}

TEST_F(KeptOutputTest, EachStreamHearsTheNumbersOfItsOwnEvents) {
  const std::string log(32, 'a');
  listen();
  open();
  output_->number(0, EventNumber{log, 100});
  send(3);
  output_->number(3, EventNumber{log, 200});
  send(2);
  until_read({0, 1, 2, 3, 4});
  EXPECT_EQ(reader_->writer.numbers().of(0), (EventNumber{log, 100}));
  EXPECT_EQ(reader_->writer.numbers().of(4), (EventNumber{log, 201}));
  reader_->writer.ack(2);
  until([&] { return output_->acked() == 2; });
  lose_reader();
  until_read({2, 3, 4});
  EXPECT_EQ(reader_->writer.numbers().of(0), (EventNumber{log, 102}));
  EXPECT_EQ(reader_->writer.numbers().of(1), (EventNumber{log, 200}));
}

// Whatever it acknowledges before it closes counts, though the writer sees its end in the same
// turn.
TEST_F(KeptOutputTest, ALastAcknowledgementIsHeard) {
  listen();
  open();
  send(3);
  until_read({0, 1, 2});
  until([&] { return output_->guarantee().has_value(); });
  reader_->writer.ack(3);
  reader_->writer.handle();
  lose_reader();
  turn();
  EXPECT_EQ(output_->acked(), 3U);
}

TEST_F(KeptOutputTest, AReaderThatWantsNoMoreIsLost) {
  listen();
  open();
  send(1);
  until_read({0});
  reader_->writer.enough();
  const Connection* const first = reader_.get();
  until([&] { return reader_.get() != first; });
  until_read({0});
  EXPECT_FALSE(output_->enough());
}

// It may only be slow: what it has taken would be lost with it.
TEST_F(KeptOutputTest, AReaderThatDoesNotAcknowledgeHasNothing) {
  listen();
  open({.ack_wait_ms = 0});
  send(1);
  UniqueFd fd;
  ASSERT_TRUE(test::eventually(
      [&] {
        turn();
        PollSet set;
        listener_->watch(set);
        set.wake_now();
        set.wait();
        fd = listener_->accept(set).fd;
        return static_cast<bool>(fd);
      },
      30'000));
  turn();
  std::string bytes(1 << 16, '\0');
  ASSERT_GT(::read(fd.get(), bytes.data(), bytes.size()), 0);
  for (int i = 0; i < 5; ++i) {
    turn();
  }
  EXPECT_EQ(output_->acked(), 0U);
  fd.reset();
  until_read({0});
}

TEST_F(KeptOutputTest, AFullOneTakesNoMoreAndHasAskedForRoom) {
  open({.keep_bytes = 4 * KeptBlocks::kBlockCost});
  send(1);
  EXPECT_FALSE(output_->busy());
  send(BlockBuilder::kMaxCount - 1);
  EXPECT_TRUE(output_->busy());
  listen();
  until([&] { return reader_ && reader_->writer.want() == BlockBuilder::kMaxCount; });
  reader_->writer.ack(BlockBuilder::kMaxCount);
  until([&] { return !output_->busy(); });
}

TEST_F(KeptOutputTest, ItEndsOnceAReaderHasAllAndHasHeardTheEnd) {
  open();
  send(2);
  const auto close = [&] {
    EXPECT_TRUE(output_->close({}, false).ok());
    return output_->closed();
  };
  EXPECT_FALSE(close());
  listen();
  until([&] { return !close() && reader_ && reader_->writer.end() == 2; });
  lose_reader();  // with all of it
  until([&] { return !close() && reader_ && reader_->writer.end() == 2; });
  EXPECT_EQ(reader_->numbers, (Numbers{0, 1}));
  reader_->writer.ack(2);
  until(close);
}

TEST_F(KeptOutputTest, AnEmptyStreamEndsWithAReaderUnlessToldToStop) {
  open();
  EXPECT_TRUE(output_->close({}, false).ok());
  turn();
  EXPECT_FALSE(output_->closed());
  EXPECT_TRUE(output_->close({}, true).ok());
  EXPECT_TRUE(output_->closed());
}

TEST_F(KeptOutputTest, AFailureIsNotToldAndWhatIsKeptIsStillDelivered) {
  listen();
  open();
  send(1);
  const Failure failure(74, "disk");
  const auto close = [&] {
    EXPECT_TRUE(output_->close(failure, false).ok());
    return output_->closed();
  };
  EXPECT_FALSE(close());
  until_read({0});
  until([&] { return !close() && reader_->writer.want() == 1; });
  reader_->writer.ack(1);
  until(close);
  reader_->read();
  EXPECT_FALSE(reader_->writer.end());
  EXPECT_FALSE(reader_->writer.failure());
}

}  // namespace
}  // namespace fl
