#include "common/fanout/group_sink.h"

#include <gtest/gtest.h>

#include <deque>

#include "common/base/clock.h"
#include "common/component/stage_options.h"
#include "common/io/unix_endpoint.h"
#include "tests/support/output_reader.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

class GroupSinkTest : public testing::Test {
 protected:
  GroupSinkTest() { setenv("FL_RUNTIME_DIR", dir_.path().c_str(), 1); }
  ~GroupSinkTest() override { unsetenv("FL_RUNTIME_DIR"); }

  void open(std::size_t outputs, OutputOrder::Policy policy = OutputOrder::Policy::round_robin,
            std::uint64_t capacity = GroupSink::kLeastCapacity) {
    for (std::size_t i = 0; i < outputs; ++i) {
      options_.out.push_back(readers_.emplace_back(dir_.path() + "/" + std::to_string(i)).path());
    }
    options_.in = {"/dev/null"};
    context_.stage = &options_;
    sink_ = std::make_unique<GroupSink>(GroupSink::Settings{{policy}, capacity});
    const Status status = sink_->open(context_);
    ASSERT_TRUE(status) << status.error().message;
    ASSERT_TRUE(turns());
  }
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
  std::uint64_t outputs_in_use() const {
    FigureList list;
    list.owner("group");
    sink_->figures(list);
    for (const Figure& figure : list.owners().front().figures) {
      if (figure.name == "outputs_in_use") {
        return figure.value;
      }
    }
    ADD_FAILURE();
    return 0;
  }

  TempDir dir_;
  StageOptions options_;
  StageContext context_;
  std::deque<OutputReader> readers_;
  std::unique_ptr<GroupSink> sink_;
  NumberedEvents events_;
};

TEST_F(GroupSinkTest, WhatALostOutputHasNotAcknowledgedGoesToTheNextFromTheFirstEventOn) {
  open(2, OutputOrder::Policy::failover);
  ASSERT_TRUE(sink_->deliver(events_.batch(10)));
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[0].numbers().size(), 10U);
  EXPECT_TRUE(readers_[1].numbers().empty());
  readers_[0].ack(7);
  ASSERT_TRUE(turns());
  EXPECT_EQ(sink_->safe(), 7U);
  readers_[0].close();
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[1].numbers(), (Numbers{7, 8, 9}));
  readers_[1].ack(3);
  ASSERT_TRUE(turns());
  EXPECT_EQ(sink_->safe(), 10U);
}

TEST_F(GroupSinkTest, WhoeverGetsWhatWasAskedForIsAsked) {
  open(2, OutputOrder::Policy::failover);
  ASSERT_TRUE(sink_->deliver(events_.batch(10)));
  ASSERT_TRUE(turns());
  ASSERT_TRUE(sink_->commit(8));
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[0].writer().want(), 8U);
  readers_[0].ack(2);
  ASSERT_TRUE(turns());
  readers_[0].close();
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[1].writer().want(), 6U);
  // A later event was not asked for; one that is asked for before it is given is.
  ASSERT_TRUE(sink_->deliver(events_.batch(1)));
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[1].writer().want(), 6U);
  ASSERT_TRUE(sink_->commit(12));
  ASSERT_TRUE(sink_->deliver(events_.batch(1)));
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[1].writer().want(), 10U);
}

TEST_F(GroupSinkTest, OutputsTakeTurnsAndTheLastLossIsAnError) {
  open(2);
  ASSERT_TRUE(sink_->deliver(events_.batch(1)));
  ASSERT_TRUE(sink_->deliver(events_.batch(1)));
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[0].numbers(), (Numbers{0}));
  EXPECT_EQ(readers_[1].numbers(), (Numbers{1}));
  readers_[1].ack(1);
  ASSERT_TRUE(turns());
  EXPECT_EQ(sink_->safe(), 0U);
  readers_[0].close();
  ASSERT_TRUE(turns());
  EXPECT_EQ(readers_[1].numbers(), (Numbers{1, 0}));
  readers_[1].close();
  const Status status = turns();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorClass::again);
}

TEST_F(GroupSinkTest, ThreeQuartersFullItAsksForRoomAndFullItWaits) {
  open(1);
  while (sink_->ready()) {
    ASSERT_TRUE(sink_->deliver(events_.batch(1000)));
    ASSERT_TRUE(turns());
  }
  const std::uint64_t all = readers_[0].numbers().size();
  const std::uint64_t wanted = readers_[0].writer().want();
  EXPECT_GE(wanted, all / 2);
  readers_[0].ack(wanted);
  ASSERT_TRUE(turns());
  EXPECT_TRUE(sink_->ready());
  EXPECT_EQ(sink_->safe(), wanted);
}

TEST_F(GroupSinkTest, ASmallCapacityIsRefused) {
  options_.out = {"/dev/null"};
  context_.stage = &options_;
  GroupSink sink({{}, GroupSink::kLeastCapacity - 1});
  const Status status = sink.open(context_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorClass::usage);
}

TEST_F(GroupSinkTest, AFailureIsHeardByEachOutputAndNothingMoreIsSent) {
  open(2);
  ASSERT_TRUE(sink_->deliver(events_.batch(1)));
  ASSERT_TRUE(turns());
  EXPECT_TRUE(sink_->tell_failure(Failure(65, "torn")));
  for (OutputReader& reader : readers_) {
    reader.read();
    ASSERT_TRUE(reader.writer().failure());
    EXPECT_EQ(reader.writer().failure()->status, 65);
  }
}

// Ever more rarely, at most once a second, and by its deadline alone: nothing is polled.
TEST_F(GroupSinkTest, AnEndpointAtWhichNobodyListensIsTriedEverMoreRarely) {
  ManualClock clock;
  options_.out = {"unix:" + dir_.path() + "/away"};
  open(0);
  ASSERT_TRUE(sink_->deliver(events_.batch(3)));
  const std::int64_t begin = monotonic_ms();
  std::int64_t pause = 0;
  int tries = 0;
  while (monotonic_ms() - begin < 60'000 && tries < 1000) {
    const std::int64_t next = sink_->deadline_ms();
    ASSERT_GE(next - monotonic_ms(), pause);
    pause = next - monotonic_ms();
    clock.advance(pause);
    ASSERT_TRUE(turns());
    ++tries;
  }
  EXPECT_EQ(pause, UnixDialer::kMostPauseMs);
  EXPECT_GE(tries, 60);
  EXPECT_LE(tries, 70);
  const Result<UnixListener> listener = UnixListener::open(dir_.path() + "/away");
  ASSERT_TRUE(listener.ok());
  EXPECT_EQ(outputs_in_use(), 0U);
  clock.advance(pause - 1);
  ASSERT_TRUE(turns());
  EXPECT_EQ(outputs_in_use(), 0U) << "before its time";
  clock.advance(1);
  ASSERT_TRUE(turns());
  EXPECT_EQ(outputs_in_use(), 1U);
}

// As Flume's processors: 2 s after the first failure, then twice as long each time.
TEST(OutputOrderTest, AFailedOutputIsLeftOutForLongerEachTimeUpToTheLimit) {
  constexpr std::int64_t kHour = 3'600'000;
  OutputOrder order({OutputOrder::Policy::round_robin, 30'000}, 2);
  std::int64_t now = 10 * kHour;
  for (const std::int64_t penalty : {2000, 4000, 8000, 16'000, 30'000, 30'000}) {
    order.failed(0, now);
    EXPECT_EQ(order.free_at_ms(0), now + penalty);
    now += penalty;
  }
  EXPECT_EQ(order.free_at_ms(1), 0) << "the other one is free";
  order.worked(0);
  order.failed(0, now);
  EXPECT_EQ(order.free_at_ms(0), now + 2000) << "it had worked";
  order.failed(0, now + kHour);
  EXPECT_EQ(order.free_at_ms(0), now + kHour + 4000);
  order.failed(0, now + 2 * kHour + 1);
  EXPECT_EQ(order.free_at_ms(0), now + 2 * kHour + 2001) << "more than an hour later";
  OutputOrder patient({OutputOrder::Policy::failover, 0}, 1);
  patient.failed(0, now);
  patient.failed(0, now);
  EXPECT_EQ(patient.free_at_ms(0), now + 1000) << "without a limit there is no penalty";
}

}  // namespace
}  // namespace fl
