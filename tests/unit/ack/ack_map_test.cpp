#include "common/ack/ack_map.h"

#include <gtest/gtest.h>

#include <random>

namespace fl {
namespace {

TEST(DropMap, IdentityWhenNothingIsDropped) {
  DropMap map;
  map.add(10, 10, {});
  map.add(5, 5, {});
  EXPECT_EQ(0U, map.safe_inputs(0));
  EXPECT_EQ(7U, map.safe_inputs(7));
  EXPECT_EQ(15U, map.safe_inputs(15));
}

TEST(DropMap, DroppedEventsAreDoneWithWhenAllBeforeThemAre) {
  DropMap map;
  map.add(6, 3, {false, true, false, true, true, false});
  EXPECT_EQ(1U, map.safe_inputs(0));  // the first is dropped
  EXPECT_EQ(3U, map.safe_inputs(1));
  EXPECT_EQ(4U, map.safe_inputs(2));
  EXPECT_EQ(6U, map.safe_inputs(3));
}

TEST(DropMap, ABlockWithoutSurvivorsWaitsForWhatStandsBeforeIt) {
  DropMap map;
  map.add(3, 3, {});
  map.add(4, 0, {false, false, false, false});
  EXPECT_EQ(2U, map.safe_inputs(2));
  EXPECT_EQ(7U, map.safe_inputs(3));
}

TEST(DropMap, AgreesWithASlowModelOnRandomHistories) {
  std::mt19937 random(20240607);
  for (int history = 0; history < 200; ++history) {
    DropMap map;
    std::vector<bool> all;
    std::uint64_t outputs = 0;
    std::uint64_t acked = 0;
    for (int step = 0; step < 50; ++step) {
      if (random() % 2 == 0) {
        std::vector<bool> keep;
        std::uint64_t kept = 0;
        const std::size_t size = 1 + random() % 20;
        const auto mode = random() % 3;
        for (std::size_t i = 0; i < size; ++i) {
          keep.push_back(mode == 0 || (mode == 1 && random() % 2 == 0));
          kept += keep.back() ? 1U : 0U;
        }
        all.insert(all.end(), keep.begin(), keep.end());
        outputs += kept;
        map.add(size, kept, kept == size ? std::vector<bool>() : keep);
      } else if (outputs > acked) {
        acked += random() % (outputs - acked + 1);
      }
      std::uint64_t expected = 0;
      std::uint64_t left = acked;
      for (const bool kept : all) {
        if (kept) {
          if (left == 0) {
            break;
          }
          --left;
        }
        ++expected;
      }
      ASSERT_EQ(expected, map.safe_inputs(acked)) << "history " << history << " step " << step;
    }
  }
}

TEST(StreamLedger, GivesEachStreamItsOwnCount) {
  StreamLedger<int> ledger;
  ledger.add(1, 10, 0);
  ledger.add(2, 5, 0);
  ledger.add(1, 10, 10);
  std::vector<std::pair<int, std::uint64_t>> acks;
  const auto note = [&](int stream, std::uint64_t n) { acks.emplace_back(stream, n); };
  ledger.ack(4, note);
  ledger.ack(17, note);
  ledger.ack(16, note);
  EXPECT_EQ((std::vector<std::pair<int, std::uint64_t>>{{1, 4}, {1, 10}, {2, 5}, {1, 12}}), acks);
  EXPECT_EQ(17U, ledger.done());
  EXPECT_EQ(20U, ledger.position(1, 15));
  EXPECT_EQ(25U, ledger.position(1, 20));
}

}  // namespace
}  // namespace fl
