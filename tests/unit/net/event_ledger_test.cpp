#include "common/net/event_ledger.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace fl {
namespace {

/// What is due after each acknowledgement: "a3 b1".
class Ledger : public testing::Test {
 protected:
  std::string acknowledge(std::uint64_t n) {
    std::string text;
    ledger_.acknowledge(n, [&](std::uint64_t client, std::uint64_t replies) {
      text += (text.empty() ? "" : " ") + std::string(1, static_cast<char>('a' + client)) +
              std::to_string(replies);
    });
    return text;
  }
  void add(char client, std::uint64_t events, int times = 1) {
    for (int i = 0; i < times; ++i) {
      ledger_.add(static_cast<std::uint64_t>(client - 'a'), events);
    }
  }

  EventLedger ledger_{4};
};

TEST_F(Ledger, EachLineIsDueWhenItsEventIsAcknowledged) {
  add('a', 1, 3);
  add('b', 1);
  add('a', 1, 2);
  EXPECT_EQ(ledger_.events(), 6u);
  EXPECT_EQ(acknowledge(0), "");
  EXPECT_EQ(acknowledge(2), "a2");
  EXPECT_EQ(acknowledge(2), "");
  EXPECT_EQ(acknowledge(5), "a1 b1 a1");
  EXPECT_FALSE(ledger_.empty());
  EXPECT_EQ(acknowledge(6), "a1");
  EXPECT_TRUE(ledger_.empty());
}

TEST_F(Ledger, ABatchIsDueWhenItsLastEventIsAcknowledged) {
  add('a', 100, 3);
  EXPECT_EQ(acknowledge(99), "");
  EXPECT_EQ(acknowledge(100), "a1");
  EXPECT_EQ(acknowledge(299), "a1");
  EXPECT_EQ(acknowledge(300), "a1");
}

TEST_F(Ledger, ABatchWithoutEventsKeepsItsPlace) {
  add('a', 2);
  add('a', 0);
  add('b', 0);
  add('a', 1);
  EXPECT_EQ(acknowledge(1), "");
  EXPECT_EQ(acknowledge(2), "a1 a1 b1");
  EXPECT_EQ(acknowledge(3), "a1");
  add('b', 0);
  EXPECT_EQ(acknowledge(3), "b1");
  EXPECT_TRUE(ledger_.empty());
}

TEST_F(Ledger, NeighboursShareAnEntryAndTheBoundCountsEntries) {
  add('a', 1, 1'000'000);
  EXPECT_FALSE(ledger_.full());
  add('a', 2);
  add('b', 2);
  EXPECT_FALSE(ledger_.full());
  add('a', 1);
  EXPECT_TRUE(ledger_.full());
  EXPECT_EQ(acknowledge(1'000'000), "a1000000");
  EXPECT_FALSE(ledger_.full());
}

}  // namespace
}  // namespace fl
