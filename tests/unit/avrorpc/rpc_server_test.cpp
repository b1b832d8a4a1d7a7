// The server's side of Avro RPC, against what Flume 1.11.0 has sent and answered.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/avrorpc/call_events.h"
#include "common/avrorpc/frame.h"
#include "common/avrorpc/protocol.h"
#include "common/avrorpc/reply.h"
#include "common/avrorpc/server_session.h"
#include "common/avrorpc/zlib_stream.h"
#include "common/event/varint.h"
#include "tests/unit/avrorpc/captured.h"

namespace fl {
namespace {

using namespace std::string_literals;

struct Served {
  std::string replies;
  std::vector<std::pair<Headers, std::string>> events;
  std::vector<RpcCall::Kind> kinds;
  std::string error;
};

// What a server of ours makes of a connection, `step` bytes at a time.
Served serve(std::string_view bytes, KnownProtocols& known, std::size_t step = 1 << 20) {
  Served out;
  RpcFrameReader frames(1 << 20);
  RpcServerSession session(known);
  const EventLimits limits;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    for (;;) {
      const auto taken = frames.take(piece);
      if (!taken) {
        out.error = taken.error().message;
        return out;
      }
      piece.remove_prefix(*taken);
      if (!frames.is_whole()) {
        break;
      }
      const auto call = session.call(frames.message());
      if (!call) {
        out.error = call.error().message;
        return out;
      }
      out.kinds.push_back(call->kind);
      RpcAnswer answer = RpcAnswer::nothing;
      const bool is_batch = call->kind == RpcCall::Kind::append_batch;
      if (is_batch || call->kind == RpcCall::Kind::append) {
        CallEvents events(call->parameters, is_batch, limits);
        const auto count = events.count();
        EXPECT_TRUE(count.ok());
        std::uint64_t n = 0;
        while (const Event* event = events.next()) {
          out.events.emplace_back(headers_of(*event), event->body());
          ++n;
        }
        EXPECT_EQ(n, *count);
        answer = RpcAnswer::ok;
      }
      append_rpc_reply(out.replies, frames.serial(), call->handshake, answer);
      frames.next();
    }
  }
  EXPECT_FALSE(frames.has_begun());
  return out;
}

const std::vector<std::pair<Headers, std::string>> kStandardEvents{
    {{{"h", "v"}}, "hi"}, {{}, "a"}, {{}, ""}, {{{"kü", "€"}, {"k1", "v1"}}, "Grüße\t\0\n"s},
    {{}, "last"},
};

TEST(RpcServer, AnswersAsFlumeDoesByteForByte) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
    KnownProtocols known;
    const Served served = serve(captured::bytes(captured::kPlainC2s), known, step);
    EXPECT_EQ(served.error, "");
    EXPECT_EQ(served.replies, captured::bytes(captured::kPlainS2c));
    EXPECT_EQ(served.events, kStandardEvents);
  }
  KnownProtocols known;
  EXPECT_EQ(serve(captured::bytes(captured::kBatchC2s), known).replies,
            captured::bytes(captured::kBatchS2c));
  EXPECT_EQ(serve(captured::bytes(captured::kCliC2s), known).replies,
            captured::bytes(captured::kCliS2c));
  const Served lines = serve(captured::bytes(captured::kCliHeadersC2s), known);
  ASSERT_EQ(lines.events.size(), 4U);
  EXPECT_EQ(lines.events[0].second, "first line");
  EXPECT_EQ(lines.events[0].first.size(), 2U);
}

TEST(RpcServer, AsksAnUnknownClientForItsProtocolAndRemembersIt) {
  KnownProtocols known;
  // Its hash is one that nobody knows, and it sends no text.
  std::string first = captured::bytes(captured::kFirstTryC2s);
  first.replace(12, kRpcHashSize, kRpcHashSize, 'q');
  const Served asked = serve(first, known);
  ASSERT_EQ(asked.kinds, std::vector{RpcCall::Kind::nothing});
  EXPECT_TRUE(asked.events.empty());
  EXPECT_NE(asked.replies.find(kRpcProtocol), std::string::npos);
  EXPECT_NE(asked.replies.find(kRpcProtocolHash), std::string::npos);

  // The same with the text: the call is run. Then the hash alone is enough.
  std::string hash(kRpcHashSize, 'x');
  const auto message = [&](bool has_text, std::string_view text) {
    std::string out = hash;
    append_varint(out, has_text ? 1 : 0);
    if (has_text) {
      append_sized(out, text);
    }
    out += kRpcProtocolHash;
    out += "\0\0"s;
    append_sized(out, "append");
    append_event(out, {{"h", "v"}}, "hi");
    std::string framed;
    append_frame(framed, 7, {out});
    return framed;
  };
  EXPECT_TRUE(serve(message(false, {}), known).events.empty());
  EXPECT_EQ(serve(message(true, kRpcProtocol), known).events.size(), 1U);
  EXPECT_EQ(serve(message(false, {}), known).events.size(), 1U);
}

// Flume knew this client only by the text of its second try; we know it by its hash.
TEST(RpcServer, AnswersTheSecondTryOfAClientAsFlumeDoes) {
  for (const bool is_second : {false, true}) {
    KnownProtocols known;
    std::string tried =
        captured::bytes(is_second ? captured::kSecondTryC2s : captured::kFirstTryC2s);
    const Served served = serve(tried, known);
    EXPECT_EQ(served.events, (std::vector<std::pair<Headers, std::string>>{{{{"h", "v"}}, "hi"}}));
    std::string expected = captured::bytes(captured::kSecondTryS2c);
    expected[3] = is_second ? 2 : 1;  // the serial
    EXPECT_EQ(served.replies, expected);
  }
}

TEST(RpcServer, RunsTheCallOfAKnownClientThatExpectsAnotherServer) {
  KnownProtocols known;
  std::string message(kRpcProtocolHash);
  message += '\0';
  message += std::string(kRpcHashSize, 'z');
  message += "\0\0"s;
  append_sized(message, "append");
  append_event(message, {}, "x");
  std::string framed;
  append_frame(framed, 1, {message});
  const Served served = serve(framed, known);
  EXPECT_EQ(served.events.size(), 1U);
  EXPECT_NE(served.replies.find(kRpcProtocol), std::string::npos);
}

TEST(RpcServer, RefusesAProtocolWhoseEventsAreOthers) {
  EXPECT_TRUE(check_rpc_protocol(kRpcProtocol).ok());
  const auto check = [](std::string_view headers, std::string_view body) {
    return check_rpc_protocol(R"({"types":[{"type":"record","name":"AvroFlumeEvent","fields":[)"
                              R"({"name":"headers","type":)" +
                              std::string(headers) + R"(},{"name":"body","type":)" +
                              std::string(body) + "}]}]}")
        .ok();
  };
  const std::string map =
      R"({"type":"map","values":{"type":"string","avro.java.string":"String"}})";
  EXPECT_TRUE(check(map, "\"bytes\""));
  EXPECT_TRUE(check(R"({"type":)" + map + "}", R"({"type":"bytes"})"));
  EXPECT_FALSE(check(map, "\"string\""));
  EXPECT_FALSE(check(R"({"type":"map","values":"bytes"})", "\"bytes\""));
  EXPECT_FALSE(check_rpc_protocol("{}").ok());
  EXPECT_FALSE(check_rpc_protocol("nonsense").ok());
}

TEST(RpcServer, KnowsABoundedNumberOfProtocols) {
  KnownProtocols known;
  for (std::size_t i = 0; i < KnownProtocols::kMost + 1; ++i) {
    known.add(std::to_string(i) + std::string(kRpcHashSize, '.'));
  }
  EXPECT_FALSE(known.has("0" + std::string(kRpcHashSize, '.')));
  EXPECT_TRUE(known.has("1" + std::string(kRpcHashSize, '.')));
  EXPECT_TRUE(known.has(kRpcProtocolHash));
  EXPECT_TRUE(known.has(kFlumeProtocolHash));
}

TEST(RpcServer, AnEmptyNameIsAPing) {
  KnownProtocols known;
  std::string message(kRpcProtocolHash);
  message += '\0';
  message += kRpcProtocolHash;
  message += "\0\0\0"s;
  std::string framed;
  append_frame(framed, 3, {message});
  append_frame(framed, 4, {"\0\0"s});
  const Served served = serve(framed, known);
  EXPECT_EQ(served.kinds, (std::vector{RpcCall::Kind::nothing, RpcCall::Kind::nothing}));
  EXPECT_EQ(served.replies, "\0\0\0\x03\0\0\0\x01\0\0\0\x04\0\0\0\0\0\0\0\x04\0\0\0\x01\0\0\0\0"s);
}

TEST(RpcFrame, DoesNotBelieveLengths) {
  const auto error = [](const std::string& bytes) {
    RpcFrameReader frames(1 << 20);
    const auto taken = frames.take(bytes);
    EXPECT_EQ(frames.message().capacity(), std::string().capacity());
    return taken ? "" : taken.error().message;
  };
  // Text, and TLS.
  EXPECT_NE(error("GET / HTTP/1.1\r\n\r\n").find("this is not Avro RPC"), std::string::npos);
  EXPECT_NE(error("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\0"s), "");
  EXPECT_NE(error("\0\0\0\x01\0\0\0\x01\0\x10\0\x01"s).find("more than 1048576"),
            std::string::npos);
  EXPECT_NE(error("\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff"s).find("more than 1048576"),
            std::string::npos);
  EXPECT_EQ(error("\0\0\0\x01\0\0\0\x01\0\x10\0\0"s), "");
}

TEST(RpcFrame, ALargeMessageGrowsIntoSpareMemory) {
  std::string spare;
  spare.reserve(400'000);
  const char* const memory = spare.data();
  RpcFrameReader small(1 << 20, &spare);
  RpcFrameReader large(1 << 20, &spare);
  ASSERT_TRUE(small.take("\0\0\0\x01\0\0\0\x01\0\x01\x86\xa0"s + std::string(99'000, 's')).ok());
  EXPECT_EQ(spare.data(), memory) << "less than a quarter of it has come";
  std::string bytes = "\0\0\0\x02\0\0\0\x01\0\x05\x57\x30"s;  // 350,000
  std::string body;
  for (int i = 0; i < 350; ++i) {
    body += std::string(1'000, static_cast<char>('a' + i % 26));
  }
  bytes += body;
  for (std::size_t at = 0; at < bytes.size(); at += 777) {
    ASSERT_TRUE(large.take(std::string_view(bytes).substr(at, 777)).ok());
  }
  ASSERT_TRUE(large.is_whole());
  EXPECT_EQ(large.message(), body);
  EXPECT_EQ(large.message().data(), memory);
  ASSERT_TRUE(small.take(std::string(1'000, 's')).ok());
  EXPECT_EQ(small.message(), std::string(100'000, 's'));
}

TEST(RpcFrame, BuffersOfAllBuffersCountTogether) {
  RpcFrameReader frames(10);
  EXPECT_TRUE(frames.take("\0\0\0\x01\0\0\0\x02\0\0\0\x06"s + "sixsix").ok());
  EXPECT_FALSE(frames.take("\0\0\0\x05"s).ok());
}

TEST(CallEvents, FindsDamageBeforeAnythingIsTaken) {
  const EventLimits limits;
  const auto why = [&](const std::string& bytes) {
    const auto count = CallEvents(bytes, true, limits).count();
    return count ? std::to_string(*count) : count.error().message;
  };
  EXPECT_EQ(why("\0"s), "0");
  EXPECT_EQ(why("\x04\0\x02"
                "a\0\0\0"s),
            "2");
  EXPECT_EQ(why("\x03\x0a\0\x02"
                "a\0\0\0"s),
            "2");  // a block with its size, as others write it
  EXPECT_NE(why("\x04\0\x02"
                "a\0\0"s)
                .find("cut"),
            std::string::npos);
  EXPECT_NE(why("\x02\0\x02"
                "a\0x"s)
                .find("bytes follow"),
            std::string::npos);
  EXPECT_NE(why("\x04\0\x02"
                "a"s),
            "1");
  EXPECT_NE(why("\x01\xff\xff\xff\xff\x0f"s).find("cut"), std::string::npos);
  EXPECT_NE(why(""), "0");
  EXPECT_NE(why("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0"s), "0");  // INT64_MIN
  // Many empty events cost no memory; many promised ones neither.
  EXPECT_NE(why("\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"s).find("event 1"), std::string::npos);
  std::string large = "\x02\0"s;
  append_sized(large, std::string(limits.body_bytes + 1, 'x'));
  EXPECT_EQ(why(large + '\0'), "event 1: its body exceeds --max-event");
}

TEST(ZlibStream, PacksAndUnpacksAsFlumeDoes) {
  Inflater inflater;
  std::string plain;
  std::string packed = captured::bytes(captured::kDeflateC2s);
  std::string_view rest = packed;
  char piece[5];
  for (;;) {
    const auto size = inflater.take(rest, piece, sizeof piece);
    ASSERT_TRUE(size.ok());
    if (*size == 0) {
      break;
    }
    plain.append(piece, *size);
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(plain, captured::bytes(captured::kPlainC2s));

  // What Flume packed, without its replies to the events after the third.
  Inflater of_flume;
  packed = captured::bytes(captured::kDeflateS2c);
  rest = packed;
  std::string theirs(1000, '\0');
  const auto whole = of_flume.take(rest, theirs.data(), theirs.size());
  ASSERT_TRUE(whole.ok());
  theirs.resize(*whole);
  EXPECT_EQ(theirs, captured::bytes(captured::kPlainS2c));

  // Its replies one after the other, each flushed.
  KnownProtocols known;
  const std::string replies = serve(plain, known).replies;
  Deflater deflater(6);
  std::string out;
  deflater.add(out, replies.substr(0, 31));
  EXPECT_EQ(out.substr(out.size() - 4), "\0\0\xff\xff"s);
  Inflater back;
  rest = out;
  char all[100];
  const auto size = back.take(rest, all, sizeof all);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(std::string(all, *size), replies.substr(0, 31));

  Inflater other;
  rest = "GET / HTTP/1.1\r\n";
  EXPECT_FALSE(other.take(rest, all, sizeof all).ok());
}

}  // namespace
}  // namespace fl
