#include "common/kafka/offset_ledger.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace fl {
namespace {

std::shared_ptr<KafkaSlot> slot(std::int64_t start = 0) {
  auto made = std::make_shared<KafkaSlot>();
  made->next = start;
  made->safe = start;
  return made;
}

TEST(OffsetLedger, AnAcknowledgementMovesThePartitionsOfItsEvents) {
  OffsetLedger ledger;
  const auto a = slot(10);
  const auto b = slot(70);
  ledger.add(a, 10);
  ledger.add(a, 11);
  ledger.add(b, 70);
  ledger.add(a, 12);
  ledger.acknowledge(1);
  EXPECT_EQ(a->safe, 11);
  EXPECT_EQ(b->safe, 70);
  EXPECT_EQ(a->in_flight, 2U);
  ledger.acknowledge(3);
  EXPECT_EQ(a->safe, 12);
  EXPECT_EQ(b->safe, 71);
  ledger.acknowledge(4);
  EXPECT_EQ(a->safe, 13);
  EXPECT_EQ(a->in_flight, 0U);
  EXPECT_EQ(a->entries, 0U);
}

TEST(OffsetLedger, WhatBecomesNoEventIsSafeWithWhatCameBefore) {
  OffsetLedger ledger;
  const auto a = slot();
  const auto b = slot();
  ledger.pass(b, 5);  // nothing is in flight
  EXPECT_EQ(b->safe, 5);
  ledger.add(a, 0);
  ledger.pass(a, 3);
  EXPECT_EQ(a->safe, 0);
  ledger.add(b, 5);
  ledger.pass(a, 9);
  ledger.acknowledge(1);
  EXPECT_EQ(a->safe, 3);
  ledger.acknowledge(2);
  EXPECT_EQ(a->safe, 9);
  EXPECT_EQ(b->safe, 6);
}

TEST(OffsetLedger, OffsetsMayHaveGaps) {
  OffsetLedger ledger;
  const auto a = slot();
  ledger.add(a, 3);
  ledger.pass(a, 5);
  ledger.add(a, 5);
  ledger.add(a, 9);
  ledger.acknowledge(1);
  EXPECT_EQ(a->safe, 5);
  ledger.acknowledge(2);
  EXPECT_EQ(a->safe, 6);
  ledger.acknowledge(3);
  EXPECT_EQ(a->safe, 10);
}

TEST(OffsetLedger, IsFullWithManyTurnsAndNotWithManyEvents) {
  OffsetLedger ledger(4);
  const auto a = slot();
  const auto b = slot();
  for (int i = 0; i < 1000; ++i) {
    ledger.add(a, i);
  }
  EXPECT_FALSE(ledger.full());
  for (int i = 0; i < 4; ++i) {
    ledger.add(i % 2 == 0 ? b : a, 1000 + i);
  }
  EXPECT_TRUE(ledger.full());
  ledger.acknowledge(1001);
  EXPECT_FALSE(ledger.full());
}

// Against a model that remembers every record.
TEST(OffsetLedger, NeverPassesARecordThatIsNotAcknowledged) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    const auto any = [&random](std::size_t n) { return static_cast<unsigned>(random() % n); };
    OffsetLedger ledger;
    std::vector<std::shared_ptr<KafkaSlot>> slots = {slot(), slot(), slot()};
    std::vector<std::pair<KafkaSlot*, std::int64_t>> events;
    std::uint64_t acked = 0;
    for (int step = 0; step < 300; ++step) {
      const auto& one = slots[any(3)];
      switch (any(4)) {
        case 0:
        case 1: {
          one->next += any(4) == 0 ? any(5) : 0;
          events.emplace_back(one.get(), one->next);
          ledger.add(one, one->next++);
          break;
        }
        case 2:
          one->next += any(3);
          ledger.pass(one, one->next);
          break;
        default:
          acked += any(events.size() - acked + 1);
          ledger.acknowledge(acked);
      }
      std::map<KafkaSlot*, std::int64_t> lowest;
      std::map<KafkaSlot*, std::int64_t> highest;
      std::map<KafkaSlot*, std::uint64_t> open;
      for (std::size_t i = events.size(); i-- > 0;) {
        if (i >= acked) {
          lowest[events[i].first] = events[i].second;
          ++open[events[i].first];
        } else {
          highest.emplace(events[i].first, events[i].second + 1);
        }
      }
      for (const auto& each : slots) {
        if (lowest.count(each.get()) > 0) {
          ASSERT_LE(each->safe, lowest[each.get()]) << "seed " << seed;
        } else {
          ASSERT_LE(each->safe, each->next) << "seed " << seed;
        }
        ASSERT_GE(each->safe, highest[each.get()]) << "seed " << seed;
        ASSERT_EQ(each->in_flight, open[each.get()]) << "seed " << seed;
      }
    }
    ledger.acknowledge(events.size());
    for (const auto& each : slots) {
      EXPECT_EQ(each->entries, 0U);
    }
  }
}

}  // namespace
}  // namespace fl
