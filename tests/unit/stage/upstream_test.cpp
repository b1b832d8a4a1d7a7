// One incoming stream and its writer: what each tells the other, and how the end is judged.
#include "common/stage/upstream.h"

#include <gtest/gtest.h>

#include "common/ack/ack_server.h"
#include "common/ack/socket_place.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

class UpstreamTest : public testing::Test {
 protected:
  ContainerHeader header(Metadata more = {}) const {
    ContainerHeader header;
    header.metadata = {{std::string(kKeyStream), server_->stream_id()},
                       {std::string(kKeyAck), server_->path()}};
    header.metadata.insert(header.metadata.end(), more.begin(), more.end());
    return header;
  }
  Upstream connected() const { return {header(), pipe_.read.get()}; }
  void serve() {
    for (int i = 0; i < 2 && server_; ++i) {
      PollSet set;
      server_->watch(set);
      set.wake_now();
      set.wait();
      server_->handle(set, 1000);
    }
  }

  test::StageDir dir_;
  test::Pipe pipe_ = test::make_pipe();
  std::unique_ptr<AckServer> server_ = std::move(*AckServer::open());
};

TEST_F(UpstreamTest, AcknowledgementsNeverFallAndTheGuaranteeIsToldOnce) {
  Upstream stream = connected();
  stream.count(10);
  stream.at({Level::durable, "stored"});
  stream.ack(5);
  stream.ack(3);
  EXPECT_EQ(stream.acked(), 5U);
  serve();
  EXPECT_EQ(server_->acked(), 5U);
  ASSERT_TRUE(server_->guarantee().has_value());
  EXPECT_EQ(server_->guarantee()->text, "stored");
  EXPECT_FALSE(stream.settled());
}

TEST_F(UpstreamTest, EnoughIsToldToAWriterThatLetsUsInLater) {
  std::vector<UniqueFd> crowd;
  while (crowd.size() < 100'000) {
    UniqueFd fd;
    std::string why;
    if (connect_to_writer(server_->path(), server_->stream_id(), pipe_.read.get(), fd, why) !=
        ConnectResult::connected) {
      break;
    }
    crowd.push_back(std::move(fd));
  }
  Upstream stream = connected();
  ASSERT_GE(stream.retry_ms(), 0);
  stream.enough();
  crowd.clear();
  serve();
  EXPECT_FALSE(server_->enough());
  PollSet pause;
  pause.wake_at(stream.retry_ms());
  pause.wait();
  stream.retry();
  EXPECT_LT(stream.retry_ms(), 0);
  serve();
  serve();
  EXPECT_TRUE(server_->enough());
}

TEST_F(UpstreamTest, AWantForEventsThatAreNotReadYetWaits) {
  Upstream stream = connected();
  serve();
  server_->want(7);
  stream.handle();
  EXPECT_EQ(stream.take_want(), 0U);
  stream.count(7);
  EXPECT_EQ(stream.take_want(), 7U);
  EXPECT_EQ(stream.take_want(), 0U);
}

TEST_F(UpstreamTest, WholeIfTheWriterSaysTheCountThatWasRead) {
  Upstream stream = connected();
  serve();
  stream.count(4);
  server_->end(4);
  stream.handle();
  EXPECT_TRUE(stream.complete());
  stream.finish(true);
  EXPECT_FALSE(stream.early());
  EXPECT_FALSE(stream.unproved());
  stream.ack(4);
  EXPECT_TRUE(stream.settled());
}

TEST_F(UpstreamTest, AnotherCountIsEarly) {
  Upstream stream = connected();
  serve();
  stream.count(3);
  server_->end(4);
  stream.finish(false);
  EXPECT_TRUE(stream.early());
}

TEST_F(UpstreamTest, AWriterThatDiesIsSeenAtOnce) {
  Upstream stream = connected();
  serve();
  server_.reset();
  EXPECT_FALSE(stream.early());
  stream.handle();
  EXPECT_TRUE(stream.early());
  EXPECT_TRUE(stream.ends_early());
}

TEST_F(UpstreamTest, ADeadWriterIsSeenAtTheBeginning) {
  server_->refuse();
  EXPECT_TRUE(connected().early());
}

TEST_F(UpstreamTest, NoSocketMeansThatTheWriterEndedWithZero) {
  const ContainerHeader saved = header();
  server_->remove();
  Upstream stream(saved, pipe_.read.get());
  stream.finish(false);
  EXPECT_FALSE(stream.early());
  EXPECT_FALSE(stream.unproved());
  Upstream again(saved, pipe_.read.get());
  again.finish(true);
  EXPECT_TRUE(again.unproved()) << "--need-end";
}

TEST_F(UpstreamTest, ASocketThatMayNotBeUsedIsUnconfirmed) {
  const std::string link = dir_.file("link");
  ASSERT_EQ(::symlink(server_->path().c_str(), link.c_str()), 0);
  ContainerHeader linked;
  linked.metadata = {{std::string(kKeyStream), server_->stream_id()}, {std::string(kKeyAck), link}};
  Upstream stream(linked, pipe_.read.get());
  EXPECT_FALSE(stream.unconfirmed()) << "not before its end";
  stream.finish(false);
  EXPECT_TRUE(stream.unconfirmed());
  EXPECT_FALSE(stream.early());
}

TEST_F(UpstreamTest, AFailureInTheHeaderIsReadAndNobodyIsCalled) {
  Upstream stream(header({{std::string(kKeyFailed), "77 may not read"}}), pipe_.read.get());
  ASSERT_TRUE(stream.failure().has_value());
  EXPECT_EQ(stream.failure()->status, 77);
  EXPECT_TRUE(stream.early());
  EXPECT_FALSE(stream.client().is_open());
}

}  // namespace
}  // namespace fl
