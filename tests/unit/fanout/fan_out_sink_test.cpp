#include "common/fanout/fan_out_sink.h"

#include <gtest/gtest.h>

#include <deque>

#include "common/base/clock.h"
#include "common/component/stage_options.h"
#include "tests/support/output_reader.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

class Everywhere final : public Selector {
 public:
  explicit Everywhere(OutputSet optional) { route_.optional = optional; }
  Status open(std::size_t outputs) override {
    route_.required = all_outputs(outputs) & ~route_.optional;
    return {};
  }
  Route route(const Event&) const override { return route_; }
  OutputSet only_optional() const override { return route_.optional; }

 private:
  Route route_;
};

class FanOutSinkTest : public testing::Test {
 protected:
  FanOutSinkTest() { setenv("FL_RUNTIME_DIR", dir_.path().c_str(), 1); }
  ~FanOutSinkTest() override { unsetenv("FL_RUNTIME_DIR"); }

  void open(std::size_t outputs, OutputSet optional, Duration patience) {
    for (std::size_t i = 0; i < outputs; ++i) {
      options_.out.push_back(readers_.emplace_back(dir_.path() + "/" + std::to_string(i)).path());
    }
    options_.in = {"/dev/null"};
    context_.stage = &options_;
    sink_ = std::make_unique<FanOutSink>(std::make_unique<Everywhere>(optional), patience);
    const Status status = sink_->open(context_);
    ASSERT_TRUE(status) << status.error().message;
    ASSERT_TRUE(turns());
  }
  // As many turns as bytes need through pipe and socket, readers in between.
  Status turns() {
    for (int i = 0; i < 5; ++i) {
      if (Status status = turn(*sink_); !status) {
        return status;
      }
      for (OutputReader& reader : readers_) {
        reader.read();
      }
    }
    return {};
  }
  std::uint64_t figure(const std::string& name) const {
    FigureList list;
    list.owner("copy");
    sink_->figures(list);
    for (const Figure& figure : list.owners().front().figures) {
      if (figure.name == name) {
        return figure.value;
      }
    }
    ADD_FAILURE() << name;
    return 0;
  }

  TempDir dir_;
  StageOptions options_;
  StageContext context_;
  std::deque<OutputReader> readers_;
  std::unique_ptr<FanOutSink> sink_;
  NumberedEvents events_;
};

TEST_F(FanOutSinkTest, AnEventIsSafeWhenEachRequiredOutputHasIt) {
  open(3, 4, {1000});
  ASSERT_TRUE(sink_->deliver(events_.batch(10)));
  ASSERT_TRUE(turns());
  for (const OutputReader& reader : readers_) {
    EXPECT_EQ(reader.numbers().size(), 10U);
  }
  EXPECT_EQ(sink_->guarantee()->text, "tested");
  readers_[0].ack(7);
  readers_[2].ack(10);
  ASSERT_TRUE(turns());
  EXPECT_EQ(sink_->safe(), 0U);
  readers_[1].ack(4);
  ASSERT_TRUE(turns());
  EXPECT_EQ(sink_->safe(), 4U);
  ASSERT_TRUE(sink_->commit(10));
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[0].writer().want(), 10U);
  EXPECT_EQ(readers_[2].writer().want(), 0U);  // nobody waits for an optional one
}

TEST_F(FanOutSinkTest, TheLossOfARequiredOutputIsSaidOnceAndTheOthersGoOn) {
  open(2, 0, {1000});
  ASSERT_TRUE(sink_->deliver(events_.batch(10)));
  ASSERT_TRUE(turns());
  readers_[0].close();
  const Status status = turns();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorClass::again);
  EXPECT_NE(status.error().message.find("'" + readers_[0].path() + "' is lost"), std::string::npos);
  readers_[1].ack(10);
  EXPECT_TRUE(turns());
  EXPECT_TRUE(sink_->tell_failure(Failure(75, "lost")));
  readers_[1].read();
  ASSERT_TRUE(readers_[1].writer().failure());
  EXPECT_EQ(readers_[1].writer().failure()->message, "lost");
}

// More than the pipe and the queue hold.
TEST_F(FanOutSinkTest, AFailureCutsNoBlockAndSendsNoFurtherOne) {
  open(2, 0, {1000});
  std::uint64_t sent = 0;
  while (sink_->ready()) {
    ASSERT_TRUE(sink_->deliver(events_.batch(1000)));
    sent += 1000;
    ASSERT_TRUE(turn(*sink_));
    readers_[0].read();
  }
  EXPECT_FALSE(sink_->tell_failure(Failure(75, "lost")));  // in the middle of a block
  bool told = false;
  for (int i = 0; i < 1000 && !told; ++i) {
    readers_[1].read();  // fails the test if a block is cut
    ASSERT_TRUE(turn(*sink_));
    told = sink_->tell_failure(Failure(75, "lost"));
  }
  EXPECT_TRUE(told);
  readers_[1].read();
  EXPECT_LT(readers_[1].numbers().size(), sent - 50'000);  // the queue holds more
  EXPECT_GT(readers_[1].numbers().size(), 0U);
}

TEST_F(FanOutSinkTest, WhatALostOptionalOutputMissedIsCounted) {
  open(2, 2, {3'600'000});
  std::uint64_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(sink_->deliver(events_.batch(1000)));
    sent += 1000;
    ASSERT_TRUE(turn(*sink_));
    readers_[0].read();
  }
  EXPECT_EQ(figure("events_missed_total"), 0U);
  readers_[1].close();
  ASSERT_TRUE(turns());
  EXPECT_GT(figure("events_missed_total"), 0U);
  EXPECT_GT(figure("events_unconfirmed_total"), 0U);
  EXPECT_EQ(figure("events_missed_total") + figure("events_unconfirmed_total"), sent);
  ASSERT_TRUE(sink_->deliver(events_.batch(5)));
  EXPECT_EQ(figure("events_missed_total") + figure("events_unconfirmed_total"), sent + 5);
}

// The clock stands still, so that only the test decides how long an optional output is full.
TEST_F(FanOutSinkTest, AFullOptionalOutputIsWaitedForAsLongAsWasSaid) {
  ManualClock clock;
  open(2, 2, {1000});
  std::uint64_t sent = 0;
  for (int i = 0; i < 1000 && sink_->ready(); ++i) {
    EXPECT_EQ(sink_->deadline_ms(), -1);
    ASSERT_TRUE(sink_->deliver(events_.batch(1000)));
    sent += 1000;
    ASSERT_TRUE(turn(*sink_));
    readers_[0].read();
  }
  ASSERT_FALSE(sink_->ready());
  EXPECT_EQ(sink_->deadline_ms(), monotonic_ms() + 1000);
  clock.advance(999);
  EXPECT_FALSE(sink_->ready());
  clock.advance(1);
  EXPECT_TRUE(sink_->ready());
  EXPECT_EQ(figure("events_missed_total"), 0U);
  ASSERT_TRUE(sink_->deliver(events_.batch(7)));
  EXPECT_EQ(figure("events_missed_total"), 7U);
  for (int i = 0; i < 1000 && readers_[1].numbers().size() < sent; ++i) {
    ASSERT_TRUE(turns());
  }
  EXPECT_EQ(readers_[1].numbers().size(), sent) << "what had been taken for it";
  ASSERT_TRUE(sink_->deliver(events_.batch(5)));
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[1].numbers().size(), sent + 5) << "it has room again";
}

TEST_F(FanOutSinkTest, AtTheEndAnOptionalOutputHasThatLongToo) {
  ManualClock clock;
  open(2, 2, {1000});
  std::uint64_t sent = 0;
  for (int i = 0; i < 1000 && sink_->ready(); ++i) {
    ASSERT_TRUE(sink_->deliver(events_.batch(1000)));
    sent += 1000;
    ASSERT_TRUE(turn(*sink_));
    readers_[0].read();
  }
  const auto is_over = [this] {
    const Result<bool> over = sink_->input_over({});
    EXPECT_TRUE(over.ok());
    return over.ok() && *over;
  };
  for (int i = 0; i < 100; ++i) {
    ASSERT_FALSE(is_over());
    ASSERT_TRUE(turn(*sink_));
    readers_[0].read();
    readers_[0].ack(readers_[0].numbers().size());
  }
  EXPECT_EQ(readers_[0].numbers().size(), sent);
  EXPECT_EQ(sink_->deadline_ms(), monotonic_ms() + 1000);
  clock.advance(999);
  EXPECT_FALSE(is_over());
  clock.advance(1);
  EXPECT_TRUE(is_over());
  EXPECT_EQ(figure("events_missed_total") + figure("events_unconfirmed_total"), sent);
}

}  // namespace
}  // namespace fl
