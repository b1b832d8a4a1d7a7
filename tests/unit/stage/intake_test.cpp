// What comes in, from real pipes: in which order, and how it is judged at its end.
#include "common/stage/intake.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/ack/ack_server.h"
#include "common/base/clock.h"
#include "tests/support/numbered_events.h"
#include "tests/support/stage_process.h"
#include "tests/support/written_stream.h"

namespace fl {
namespace {

using test::stream_block;
using test::stream_header;
using Got = Intake::Got;

/// A writer whose stream has a side connection.
struct Writer {
  explicit Writer(const std::string& path)
      : server(std::move(*AckServer::open())),
        fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK)) {
    say(stream_header({{std::string(kKeyVersion), "1"},
                       {std::string(kKeyStream), server->stream_id()},
                       {std::string(kKeyAck), server->path()}}));
  }
  void say(const std::string& bytes) const { test::write_all(fd.get(), bytes); }
  void send(std::uint64_t from, std::uint64_t to) {
    say(stream_block(from, to));
    written = to;
  }
  void serve() {
    PollSet set;
    server->watch(set);
    set.wake_now();
    set.wait();
    server->handle(set, written);
  }

  std::unique_ptr<AckServer> server;
  UniqueFd fd;
  std::uint64_t written = 0;
};

class IntakeTest : public testing::Test {
 protected:
  std::string fifo(const std::string& name) {
    std::string path = dir_.file(name);
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    options_.in.push_back(path);
    return path;
  }
  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(dir_.file(name)) << text;
    return dir_.file(name);
  }
  Intake& open(Intake::Settings settings = {}) {
    intake_.emplace(options_, std::move(settings));
    EXPECT_TRUE(intake_->open().ok());
    return *intake_;
  }
  // One turn: what is ready now is taken in.
  void turn() {
    PollSet set;
    intake_->watch(set, true);
    set.wake_now();
    set.wait();
    died_ = intake_->hear(set) || died_;
    for (;;) {
      const Result<Got> got = intake_->next();
      ASSERT_TRUE(got.ok());
      if (*got == Got::nothing) {
        return;
      }
      if (*got == Got::block) {
        const Numbers more = numbers_of(intake_->block());
        numbers_.insert(numbers_.end(), more.begin(), more.end());
      }
    }
  }
  int status() const { return intake_->outcome() ? intake_->outcome()->status : 0; }

  test::StageDir dir_;
  StageOptions options_;
  std::optional<Intake> intake_;
  Numbers numbers_;
  bool died_ = false;
};

TEST_F(IntakeTest, AStreamThatSaysEndIsWhole) {
  const std::string path = fifo("a");
  Intake& intake = open();
  Writer writer(path);
  writer.send(0, 5);
  turn();
  EXPECT_EQ(numbers_, (Numbers{0, 1, 2, 3, 4}));
  EXPECT_EQ(intake.total(), 5U);
  intake.at({Level::durable, "stored"});
  intake.ack(3);
  writer.serve();  // accepts
  writer.serve();
  EXPECT_EQ(writer.server->acked(), 3U);
  EXPECT_EQ(intake.acked(), 3U);
  writer.server->end(5);
  writer.fd.reset();
  turn();
  turn();
  EXPECT_TRUE(intake.over());
  EXPECT_EQ(status(), 0);
}

TEST_F(IntakeTest, AWriterThatDiesIsAnEarlyEnd) {
  const std::string path = fifo("a");
  Intake& intake = open();
  {
    Writer writer(path);
    writer.send(0, 2);
    turn();
    writer.serve();
  }
  turn();
  turn();
  EXPECT_TRUE(died_);
  EXPECT_TRUE(intake.over());
  EXPECT_EQ(numbers_, (Numbers{0, 1}));
  EXPECT_EQ(status(), 75);
}

TEST_F(IntakeTest, TheStatusOfAWriterThatFailsIsHeard) {
  const std::string path = fifo("a");
  open();
  {
    Writer writer(path);
    turn();
    writer.serve();  // accepts
    writer.serve();  // learns who it is: a stage stays until then
    writer.server->fail(Failure(78, "no such directory"));
    ASSERT_TRUE(writer.server->last_word_sent());
  }
  turn();
  turn();
  ASSERT_TRUE(intake_->outcome().has_value());
  EXPECT_EQ(status(), 78);
  EXPECT_EQ(intake_->outcome()->message, "no such directory");
}

TEST_F(IntakeTest, AWriterThatCountsOtherwiseIsAnEarlyEnd) {
  const std::string path = fifo("a");
  open();
  Writer writer(path);
  writer.send(0, 2);
  turn();
  writer.serve();
  writer.server->end(3);
  writer.fd.reset();
  turn();
  turn();
  EXPECT_EQ(status(), 75);
}

TEST_F(IntakeTest, AFailureInTheHeaderIsTheWritersEnd) {
  const std::string path = fifo("a");
  open();
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  test::write_all(fd.get(), stream_header({{std::string(kKeyFailed), "64 unknown option"}}));
  fd.reset();
  turn();
  turn();
  EXPECT_EQ(status(), 64);
}

TEST_F(IntakeTest, DamageComesBeforeWhatAWriterSays) {
  const std::string path = fifo("a");
  open();
  Writer writer(path);
  writer.send(0, 2);
  turn();
  writer.serve();
  writer.server->fail(Failure(78, "x"));
  writer.say(std::string(64, '\xff'));
  writer.fd.reset();
  turn();
  turn();
  EXPECT_EQ(numbers_, (Numbers{0, 1}));
  EXPECT_EQ(status(), 65);
}

TEST_F(IntakeTest, SeveralInputsTakeTurnsAndEachWriterIsToldItsOwnCount) {
  const std::string one = fifo("a");
  const std::string two = fifo("b");
  Intake& intake = open();
  Writer first(one);
  Writer second(two);
  first.send(0, 10);
  first.send(10, 20);
  second.send(100, 110);
  turn();
  ASSERT_EQ(numbers_.size(), 30U);
  const auto from_second = static_cast<std::size_t>(
      std::find(numbers_.begin(), numbers_.end(), 100U) - numbers_.begin());
  EXPECT_LT(from_second, 20U) << "the second input waited for the end of the first";
  intake.at({Level::durable, "stored"});
  intake.ack(from_second + 4);
  for (int i = 0; i < 2; ++i) {
    first.serve();
    second.serve();
  }
  EXPECT_EQ(first.server->acked(), from_second);
  EXPECT_EQ(second.server->acked(), 4U);
  second.server->want(7);
  PollSet set;
  intake.watch(set, false);
  set.wake_now();
  set.wait();
  intake.hear(set);
  EXPECT_EQ(intake.take_want(), from_second + 7);
  EXPECT_EQ(intake.take_want(), 0U) << "told twice";
}

TEST_F(IntakeTest, FilesOfATextSourceComeOneAfterTheOther) {
  Intake::Settings settings;
  settings.text_source = true;
  settings.text.files = {file("a", "1\n2\n"), file("b", ""), file("c", "3")};
  Intake& intake = open(std::move(settings));
  for (int i = 0; i < 10 && !intake.over(); ++i) {
    turn();
  }
  EXPECT_TRUE(intake.over());
  EXPECT_EQ(numbers_, (Numbers{1, 2, 3}));
  EXPECT_EQ(intake.bytes(), 5U);
  EXPECT_EQ(status(), 0);
}

TEST_F(IntakeTest, AFileThatIsNotReadToItsEndBeforeAStopIs75) {
  Intake::Settings settings;
  settings.text_source = true;
  settings.text.files = {file("a", "1\n2\n"), file("b", "3\n")};
  Intake& intake = open(std::move(settings));
  intake.stop();
  EXPECT_TRUE(intake.over());
  EXPECT_EQ(status(), 75);
}

TEST_F(IntakeTest, AnEmptyInputIsAnErrorOnlyWhereAStreamIsExpected) {
  for (const bool stream : {false, true}) {
    options_ = {};
    options_.stream = stream;
    options_.in.push_back(file("empty", ""));
    Intake& intake = open();
    turn();
    EXPECT_TRUE(intake.over());
    EXPECT_EQ(status(), stream ? 65 : 0);
  }
}

TEST_F(IntakeTest, ADirectoryCannotBeRead) {
  options_.in.push_back(dir_.file("run"));
  intake_.emplace(options_, Intake::Settings());
  EXPECT_EQ(intake_->open().error().kind, ErrorClass::config);
}

// After a signal a writer of text, which cannot say that it has finished, is read until it has been
// silent for a second.
TEST_F(IntakeTest, TextIsOverAfterASignalOnceItHasBeenSilent) {
  ManualClock clock;
  const std::string path = fifo("a");
  Intake& intake = open();
  const UniqueFd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  test::write_all(writer.get(), "1\n");
  turn();
  clock.advance(60'000);
  intake.stop();
  intake.drain(true);
  EXPECT_FALSE(intake.over()) << "silence counts from the signal on";
  clock.advance(999);
  test::write_all(writer.get(), "2\n");
  turn();
  clock.advance(999);
  intake.drain(true);
  EXPECT_FALSE(intake.over()) << "it had more to say";
  clock.advance(1);
  intake.drain(false);
  EXPECT_FALSE(intake.over()) << "the stage could not take anything";
  intake.drain(true);
  EXPECT_TRUE(intake.over());
  EXPECT_EQ(numbers_, (Numbers{1, 2}));
  EXPECT_EQ(status(), 0);
}

TEST_F(IntakeTest, TextThatFlowsWhenTheGraceIsOverIsCutShort) {
  const ManualClock clock;
  const std::string path = fifo("a");
  Intake& intake = open();
  const UniqueFd writer(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  test::write_all(writer.get(), "1\n");
  intake.stop();
  turn();
  intake.end_all();
  EXPECT_TRUE(intake.over());
  EXPECT_EQ(status(), 75);
}

// A writer that is connected will say when it has finished; one that is not may be silent for ever.
TEST_F(IntakeTest, SilenceEndsAStreamOnlyWhereItsWriterCannotBeHeard) {
  for (const bool is_heard : {true, false}) {
    ManualClock clock;
    options_ = {};
    const std::string path = fifo(is_heard ? "heard" : "mute");
    Intake& intake = open();
    Writer writer(path);
    writer.send(0, 2);
    if (!is_heard) {
      writer.server.reset();
    }
    turn();
    intake.stop();
    clock.advance(1000);
    intake.drain(true);
    EXPECT_EQ(intake.over(), !is_heard);
    intake.end_all();  // --grace
    EXPECT_TRUE(intake.over());
    EXPECT_EQ(status(), 75);
  }
}

}  // namespace
}  // namespace fl
