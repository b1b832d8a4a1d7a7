#include "common/ack/guarantee.h"

#include <gtest/gtest.h>

#include "common/ack/failure.h"

namespace fl {
namespace {

TEST(Guarantee, GoesThroughALine) {
  for (const Guarantee& guarantee :
       {Guarantee{Level::none, "handed on"}, Guarantee{Level::discarded, "discarded"},
        Guarantee{Level::printed, "printed"}, Guarantee{Level::memory, "held in memory"},
        Guarantee{Level::gathered, "hdfs closed and renamed"},
        Guarantee{Level::durable, "file synced"}}) {
    const std::string line = to_line(guarantee);
    EXPECT_EQ(parse_guarantee(line), guarantee) << line;
  }
  EXPECT_EQ(to_line({Level::printed, "printed"}), "printed");
  EXPECT_EQ(to_line({Level::durable, "log synced"}), "durable log synced");
}

TEST(Guarantee, ReadsTheFormWithoutALevel) {
  EXPECT_EQ(parse_guarantee("handed on").level, Level::none);
  EXPECT_EQ(parse_guarantee("held in memory").level, Level::memory);
  EXPECT_EQ(parse_guarantee("printed").level, Level::printed);
  EXPECT_EQ(parse_guarantee("discarded").level, Level::discarded);
  EXPECT_EQ(parse_guarantee("file synced"), (Guarantee{Level::durable, "file synced"}));
}

TEST(Guarantee, TheWeakestCounts) {
  const Guarantee discarded{Level::discarded, "discarded"};
  const Guarantee printed{Level::printed, "printed"};
  const Guarantee durable{Level::durable, "file synced"};
  EXPECT_EQ(weaker(printed, discarded), discarded);
  EXPECT_EQ(weaker(printed, durable), printed);
  const Guarantee gathered{Level::gathered, "hdfs closed and renamed"};
  EXPECT_EQ(weaker(durable, gathered), gathered);
  EXPECT_EQ(weaker(durable, std::nullopt), std::nullopt);
}

TEST(Failure, TakesStatusesFrom64To78Only) {
  EXPECT_EQ(Failure::parse("78 no such directory").status, 78);
  EXPECT_EQ(Failure::parse("64 x").status, 64);
  for (const char* text : {"0 fine", "63 x", "79 x", "-1 x", "x", "", "78x y", "99999999999 x"}) {
    EXPECT_EQ(Failure::parse(text).status, 75) << text;
  }
}

TEST(Failure, KeepsAMessagePrintableAndShort) {
  EXPECT_EQ(Failure::parse("78 a\x1b[2J\nb").message, "a\\x1B[2J\\x0Ab");
  const Failure long_one(78, std::string(10'000, 'x'));
  EXPECT_EQ(long_one.message.size(), Failure::kMaxMessage);
  std::string umlauts;
  for (int i = 0; i < 400; ++i) {
    umlauts += "\xC3\xA4";
  }
  const Failure cut(78, umlauts);
  EXPECT_LE(cut.message.size(), Failure::kMaxMessage);
  EXPECT_EQ(cut.message.size() % 2, 0u);  // no half character
  EXPECT_EQ(Failure::parse(cut.text()).message, cut.message);
}

}  // namespace
}  // namespace fl
