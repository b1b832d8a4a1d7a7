#include "tools/fl-source/netcat_connection.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace fl {
namespace {

class Netcat : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peer_.reset(ends[0]);
    connection_ = std::make_unique<NetcatConnection>(UniqueFd(ends[1]), 1, limit_);
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
    EXPECT_TRUE(connection_->write());
    std::string text(1 << 20, '\0');
    const ssize_t n = ::recv(peer_.get(), text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return text;
  }

  using Lines = std::vector<std::string>;
  LineLimit limit_{8, 1 << 20, false};
  UniqueFd peer_;
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
  EXPECT_TRUE(connection_->write());
  EXPECT_TRUE(connection_->has_unsent());
  std::size_t bytes = 0;
  for (int i = 0; i < 1'000'000 && connection_->has_unsent(); ++i) {
    bytes += replies().size();
  }
  bytes += replies().size();
  EXPECT_EQ(bytes, 3'000'000u);
}

TEST_F(Netcat, ABrokenConnectionIsSeenInBothDirections) {
  send("half");
  peer_.reset();
  connection_->owe(1);
  EXPECT_FALSE(connection_->write());
}

}  // namespace
}  // namespace fl
