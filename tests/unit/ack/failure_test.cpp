// What another process says of its end is untrusted text.
#include "common/ack/failure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace fl {
namespace {

bool is_fit(const Failure& failure) {
  const auto is_plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; };
  return failure.status >= 64 && failure.status <= 78 &&
         failure.message.size() <= Failure::kMaxMessage &&
         std::all_of(failure.message.begin(), failure.message.end(), is_plain);
}

TEST(Failure, TextAndBack) {
  const Failure failure = Failure::parse(Failure(78, "no such directory: 'x'").text());
  EXPECT_EQ(failure.status, 78);
  EXPECT_EQ(failure.message, "no such directory: 'x'");
}

TEST(Failure, AStatusThatIsNoneCountsAs75) {
  for (const std::string text :
       {"0 all is well", "63 x", "79 x", "1 x", "-1 x", "+64 x", "0x40 x", " 64 x", "64.5 x",
        "18446744073709551680 x", "99999999999999999999999 x", "x", "", " ", "65\tx", "４２ x"}) {
    EXPECT_EQ(Failure::parse(text).status, 75) << text;
  }
  EXPECT_EQ(Failure::parse("64").status, 64);
  EXPECT_EQ(Failure::parse("78 ").status, 78);
  EXPECT_EQ(Failure(0, "x").status, 75);
}

TEST(Failure, WordsCannotHarmATerminalOrALog) {
  for (const std::string& words :
       {std::string("\x1b[2J\x1b]0;title\x07"), std::string("a\nfl: error: b"),
        std::string("\r\b\x7f"), std::string("\xff\xfe\x80"), std::string("a\0b", 3),
        std::string("\xc2\x9b"
                    "31m"),
        std::string(100'000, '\n')}) {
    const Failure failure = Failure::parse("70 " + words);
    EXPECT_TRUE(is_fit(failure)) << failure.message;
    EXPECT_EQ(failure.status, 70);
    EXPECT_EQ(failure.message.find("\xc2\x9b"), std::string::npos);
  }
}

TEST(Failure, LongWordsAreCutBetweenTwoCharacters) {
  std::string words = "x";
  while (words.size() < 2 * Failure::kMaxMessage) {
    words += "ä";
  }
  const Failure failure(74, words);
  EXPECT_LE(failure.message.size(), Failure::kMaxMessage);
  EXPECT_GE(failure.message.size(), Failure::kMaxMessage - 4);
  EXPECT_EQ(failure.message, words.substr(0, failure.message.size()));
  EXPECT_EQ(failure.message.back(), '\xa4') << "half a character";
}

TEST(Failure, AnyBytesGiveOneFitLineThatIsReadBackTheSame) {
  std::mt19937 random(20240229);
  std::uniform_int_distribution<int> byte(0, 255);
  std::uniform_int_distribution<std::size_t> size(0, 1500);
  for (int round = 0; round < 2000; ++round) {
    std::string text(size(random), '\0');
    for (char& c : text) {
      c = static_cast<char>(byte(random));
    }
    const Failure failure = Failure::parse("6" + std::to_string(round % 20) + " " + text);
    ASSERT_TRUE(is_fit(failure)) << round;
    const Failure again = Failure::parse(failure.text());
    ASSERT_EQ(again.status, failure.status);
    ASSERT_TRUE(is_fit(again));
  }
}

}  // namespace
}  // namespace fl
