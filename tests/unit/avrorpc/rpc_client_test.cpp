// The client's side of Avro RPC, against the server's side and what Flume 1.11.0 has answered.
#include <gtest/gtest.h>

#include <string>

#include "common/avrorpc/client_session.h"
#include "common/avrorpc/frame.h"
#include "common/avrorpc/protocol.h"
#include "common/avrorpc/reply.h"
#include "common/avrorpc/server_session.h"
#include "common/event/varint.h"
#include "tests/unit/avrorpc/captured.h"

namespace fl {
namespace {

using namespace std::string_literals;

std::string message_of(std::string_view framed) {
  RpcFrameReader frames(1 << 20);
  const auto taken = frames.take(framed);
  EXPECT_TRUE(taken.ok() && frames.is_whole() && *taken == framed.size());
  return frames.message();
}

std::string reply_of(std::string_view handshake, RpcAnswer answer, std::string_view text = {}) {
  std::string framed;
  append_rpc_reply(framed, 1, handshake, answer, text);
  return message_of(framed);
}

TEST(RpcClient, TheFirstRequestIsThatOfFlumeWithoutMeta) {
  const std::string theirs = message_of(captured::bytes(captured::kBatchC2s));
  std::string ours = RpcClientSession().head();
  // Hash, no protocol, hash; then theirs has an empty map where ours has none.
  EXPECT_EQ(ours.substr(0, 33), theirs.substr(0, 33));
  EXPECT_EQ(ours.substr(33, 1), "\0"s);
  EXPECT_EQ(theirs.substr(33, 2), "\x02\0"s);
  EXPECT_EQ(ours.substr(34), theirs.substr(35, ours.size() - 34));
}

TEST(RpcClient, ReadsTheReplyOfFlume) {
  RpcClientSession session;
  const auto outcome = session.reply(message_of(captured::bytes(captured::kBatchS2c)));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->kind, RpcOutcome::Kind::ok);
  EXPECT_EQ(session.head(),
            "\0\x16"
            "appendBatch"s);  // no second handshake
}

TEST(RpcClient, SendsItsProtocolToAServerThatDoesNotKnowIt) {
  // NONE, with a protocol and the hash of another build.
  std::string none;
  append_varint(none, 2);
  append_varint(none, 1);
  append_sized(none, "{}");
  append_varint(none, 1);
  none += std::string(kRpcHashSize, 'h');
  none += '\0';
  RpcClientSession session;
  auto outcome = session.reply(none);
  ASSERT_TRUE(outcome.ok());
  ASSERT_EQ(outcome->kind, RpcOutcome::Kind::again);
  const std::string head = session.head();
  EXPECT_EQ(head.substr(0, kRpcHashSize), kRpcProtocolHash);
  EXPECT_NE(head.find(kRpcProtocol), std::string::npos);
  EXPECT_NE(head.find(std::string(kRpcHashSize, 'h')), std::string::npos);
  outcome = session.reply(none);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorClass::config);

  // A server of ours takes it.
  KnownProtocols known;
  RpcServerSession server(known);
  const auto call = server.call(head + "\0"s);
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(call->kind, RpcCall::Kind::append_batch);
}

TEST(RpcClient, KnowsWhatBecameOfARequest) {
  const std::string both = "\0\0\0\0"s;
  RpcClientSession session;
  auto outcome = session.reply(reply_of(both, RpcAnswer::failed));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->kind, RpcOutcome::Kind::failed);
  outcome = session.reply(reply_of({}, RpcAnswer::error, "no such thing"));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->kind, RpcOutcome::Kind::error);
  EXPECT_EQ(outcome->text, "no such thing");
  outcome = session.reply(reply_of({}, RpcAnswer::ok));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->kind, RpcOutcome::Kind::ok);
  outcome = session.reply("\0\0\x04"s);  // UNKNOWN
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->kind, RpcOutcome::Kind::failed);
}

TEST(RpcClient, EveryCutReplyIsNone) {
  const std::string whole = message_of(captured::bytes(captured::kBatchS2c));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    RpcClientSession session;
    EXPECT_FALSE(session.reply(whole.substr(0, size)).ok()) << size;
  }
}

}  // namespace
}  // namespace fl
