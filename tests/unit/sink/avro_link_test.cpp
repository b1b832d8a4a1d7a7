// A request in flight to a server, on a socket that takes only a part of it at a time.
#include "tools/fl-sink/avro/link.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <utility>

#include "common/avrorpc/call_events.h"
#include "common/avrorpc/reply.h"
#include "common/avrorpc/server_session.h"
#include "common/event/event.h"

namespace fl {
namespace {

class AvroLinkTest : public ::testing::Test {
 protected:
  AvroLinkTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    for (const int fd : ends) {
      EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    }
    ours_ = UniqueFd(ends[0]);
    server_ = UniqueFd(ends[1]);
    for (int i = 0; i < 5'000; ++i) {
      append_event(events_, {{"n", std::to_string(i)}}, std::string(300, 'x'));
    }
  }

  /// Bytes that the server has read so far, a part at a time.
  bool read_some(std::string& all) {
    std::array<char, 5'000> bytes;
    const ssize_t n = ::recv(server_.get(), bytes.data(), bytes.size(), 0);
    all.append(bytes.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    return n > 0;
  }
  void reply(const std::string& handshake) {
    std::string bytes;
    append_rpc_reply(bytes, 1, handshake, RpcAnswer::ok, {});
    EXPECT_EQ(::send(server_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }

  UniqueFd ours_;
  UniqueFd server_;
  std::string events_;
};

TEST_F(AvroLinkTest, ARequestArrivesWholeHoweverLittleTheSocketTakes) {
  AvroLink link(std::move(ours_), nullptr, -1);
  link.send(events_, 5'000);
  std::string all;
  for (int i = 0; i < 10'000 && link.has_unsent(); ++i) {
    const auto moved = link.move();
    ASSERT_TRUE(moved.ok()) << moved.error().message;
    EXPECT_FALSE(moved->has_value());
    read_some(all);
  }
  while (read_some(all)) {}
  RpcFrameReader frames(4 << 20);
  const auto taken = frames.take(all);
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(*taken, all.size());
  ASSERT_TRUE(frames.is_whole());
  KnownProtocols known;
  RpcServerSession session(known);
  const auto call = session.call(frames.message());
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->kind, RpcCall::Kind::append_batch);
  const auto count = CallEvents(call->parameters, true, EventLimits()).count();
  ASSERT_TRUE(count.ok()) << count.error().message;
  EXPECT_EQ(*count, 5'000U);
  EXPECT_NE(call->parameters.find(events_), std::string_view::npos);

  reply(call->handshake);
  const auto outcome = link.move();
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  ASSERT_TRUE(outcome->has_value());
  EXPECT_EQ((*outcome)->kind, RpcOutcome::Kind::ok);
  EXPECT_FALSE(link.is_busy());
}

// The events belong to the sink again once the request is answered.
TEST_F(AvroLinkTest, AReplyToAHalfSentRequestEndsTheConnection) {
  AvroLink link(std::move(ours_), nullptr, -1);
  link.send(events_, 5'000);
  ASSERT_TRUE(link.move().ok());
  ASSERT_TRUE(link.has_unsent());
  reply(std::string("\0\0\0\0", 4));
  const auto moved = link.move();
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().kind, ErrorClass::config);
}

}  // namespace
}  // namespace fl
