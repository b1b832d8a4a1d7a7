#include "tools/fl-source/netcat_connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/unique_fd.h"

namespace fl {
namespace {

class Netcat : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peer_.reset(ends[0]);
    end_.reset(ends[1]);
    open({{8, 1 << 20}});
  }
  void open(const LineFormat& format) {
    format_ = format;
    connection_ = std::make_unique<NetcatConnection>(ByteStream(end_.get()), "a client", format_);
  }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    connection_->read();
  }
  std::vector<std::string> lines() {
    std::vector<std::string> found;
    NetcatConnection::Line got;
    while ((got = connection_->next()) == NetcatConnection::Line::whole) {
      found.emplace_back(connection_->line());
      connection_->take();
    }
    is_too_long_ = got == NetcatConnection::Line::too_long;
    return found;
  }
  std::string replies() {
    connection_->write();
    std::string text(1 << 20, '\0');
    const ssize_t n = ::recv(peer_.get(), text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
  }

  using Lines = std::vector<std::string>;
  LineFormat format_;
  UniqueFd peer_;
  UniqueFd end_;
  std::unique_ptr<NetcatConnection> connection_;
  bool is_too_long_ = false;
};

TEST_F(Netcat, LinesComeOutWholeHoweverTheyAreCut) {
  send("a\n\nb");
  EXPECT_EQ(lines(), (Lines{"a", ""}));
  EXPECT_EQ(connection_->left(), 0u);
  send("c");
  EXPECT_EQ(lines(), Lines{});
  send("\nd\n");
  EXPECT_EQ(connection_->left(), 5u);
  EXPECT_EQ(lines(), (Lines{"bc", "d"}));
}

TEST_F(Netcat, TheLastLineNeedsNoNewlineAtAnOrderlyEnd) {
  send("a\nb");
  ::shutdown(peer_.get(), SHUT_WR);
  EXPECT_FALSE(connection_->read());
  EXPECT_EQ(connection_->left(), 3u);
  EXPECT_EQ(lines(), (Lines{"a", "b"}));
  EXPECT_EQ(lines(), Lines{});
}

TEST_F(Netcat, TheLimitCountsUtf16UnitsAndTheNewline) {
  send("1234567\n\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\u20ac\n\U0001d11e\U0001d11e\U0001d11e1\n");
  EXPECT_EQ(lines().size(), 3u);
  EXPECT_FALSE(is_too_long_);
  send("\U0001d11e\U0001d11e\U0001d11e\U0001d11e\n");
  EXPECT_EQ(lines(), Lines{});
  EXPECT_TRUE(is_too_long_);
}

TEST_F(Netcat, ALineIsTooLongBeforeItsNewlineCame) {
  send("1234567");
  EXPECT_EQ(lines(), Lines{});
  EXPECT_FALSE(is_too_long_);
  send("8");
  EXPECT_EQ(lines(), Lines{});
  EXPECT_TRUE(is_too_long_);
}

TEST_F(Netcat, StrayContinuationBytesAreLimitedToo) {
  send(std::string(24, '\x80'));
  EXPECT_EQ(lines(), Lines{});
  EXPECT_FALSE(is_too_long_);
  send("\x80");
  EXPECT_EQ(lines(), Lines{});
  EXPECT_TRUE(is_too_long_);
}

TEST_F(Netcat, TheLastWordFollowsAllReplies) {
  connection_->unanswered = 2;
  connection_->refuse("FAILED\n");
  EXPECT_EQ(replies(), "");
  EXPECT_FALSE(connection_->is_answered());
  connection_->unanswered = 0;
  connection_->owe(2);
  EXPECT_EQ(replies(), "OK\nOK\nFAILED\n");
  EXPECT_TRUE(connection_->is_answered());
}

TEST_F(Netcat, RepliesThatNobodyReadsWaitWithoutMemory) {
  connection_->owe(1'000'000);
  connection_->write();
  EXPECT_TRUE(connection_->has_unsent());
  std::size_t bytes = 0;
  for (int i = 0; i < 1'000'000 && connection_->has_unsent(); ++i) {
    bytes += replies().size();
  }
  bytes += replies().size();
  EXPECT_EQ(bytes, 3'000'000u);
}

TEST_F(Netcat, AClientThatCannotBeAnsweredIsReadOnToItsEnd) {
  const std::string lines_sent = "a\nb\nc\n";
  ASSERT_EQ(::send(peer_.get(), lines_sent.data(), lines_sent.size(), 0), 6);
  peer_.reset();
  connection_->owe(5);
  connection_->write();
  EXPECT_TRUE(connection_->is_deaf());
  EXPECT_FALSE(connection_->has_unsent());
  EXPECT_EQ(connection_->dropped(), 5u);
  EXPECT_FALSE(connection_->at_end());
  EXPECT_TRUE(connection_->read());
  EXPECT_EQ(lines(), (Lines{"a", "b", "c"}));
  connection_->owe(3);
  connection_->write();
  EXPECT_EQ(connection_->dropped(), 8u);
  EXPECT_FALSE(connection_->read());
  EXPECT_TRUE(connection_->at_end());
  EXPECT_FALSE(connection_->lost());  // it had closed its side in good order
}

TEST_F(Netcat, AnswersThatWerePartlyWrittenAreCounted) {
  connection_->owe(1'000'000);
  connection_->write();
  std::size_t bytes = replies().size();
  bytes += replies().size();
  peer_.reset();
  connection_->write();
  connection_->stop_answering();
  EXPECT_TRUE(connection_->is_deaf());
  EXPECT_GT(bytes, 0u);
  // What is in the socket has been sent, whether it was read or not.
  EXPECT_LE(connection_->dropped(), 1'000'000u - bytes / 3);
  EXPECT_GT(connection_->dropped(), 0u);
}

TEST_F(Netcat, WideUnitsAreCutAtTheirNewlines) {
  open({{8, 1 << 20}, false, {2, true}, false});
  // U+0A0A and U+0A41 hold the byte 10, U+010A and U+4100 look like halves of newlines.
  const std::string text("a\0\n\0\x0a\x0a\x0a\x01\x00\x41\n\0b", 13);
  for (const char c : text) {  // byte by byte: units arrive cut
    send({&c, 1});
  }
  EXPECT_EQ(lines(), (Lines{std::string("a\0", 2), std::string("\x0a\x0a\x0a\x01\x00\x41", 6)}));
  EXPECT_EQ(connection_->left(), 0u);
  send(std::string("\0\n\0", 3));
  EXPECT_EQ(connection_->left(), 4u);
  EXPECT_EQ(lines(), Lines{std::string("b\0", 2)});
  send(std::string(14, 'x'));
  EXPECT_EQ(lines(), Lines{});
  EXPECT_FALSE(is_too_long_);
  send("xx");
  EXPECT_EQ(lines(), Lines{});
  EXPECT_TRUE(is_too_long_);
}

TEST_F(Netcat, AMarkTellsTheOrderOfBytes) {
  for (const bool is_little : {false, true}) {
    for (const bool is_marked : {false, true}) {
      SCOPED_TRACE(testing::Message() << is_little << is_marked);
      if (is_little && !is_marked) {
        continue;  // big-endian without a mark
      }
      open({{8, 1 << 20}, false, {2, false}, true});
      const std::string line = is_little ? std::string("a\0\n\0", 4) : std::string("\0a\0\n", 4);
      send((is_marked ? is_little ? "\xff\xfe" : "\xfe\xff" : "") + line);
      EXPECT_EQ(lines(), Lines{line.substr(0, 2)});
      EXPECT_EQ(connection_->unit(), (CodeUnit{2, is_little}));
      connection_->owe(2);
      EXPECT_EQ(replies(), is_little ? std::string("\xff\xfeO\0K\0\n\0O\0K\0\n\0", 14)
                                     : std::string("\xfe\xff\0O\0K\0\n\0O\0K\0\n", 14));
    }
  }
}

}  // namespace
}  // namespace fl
