#include "common/ack/ack_map.h"

#include <gtest/gtest.h>

#include <random>

namespace fl {
namespace {

TEST(InputMap, IdentityWhenNothingIsDropped) {
  InputMap map;
  map.add(10, 10);
  map.add(5, 5);
  EXPECT_EQ(0U, map.safe_inputs(0));
  EXPECT_EQ(7U, map.safe_inputs(7));
  EXPECT_EQ(15U, map.safe_inputs(15));
}

TEST(InputMap, DroppedEventsAreDoneWithWhenAllBeforeThemAre) {
  InputMap map;
  map.add(6, 3, {false, true, false, true, true, false});
  EXPECT_EQ(1U, map.safe_inputs(0));  // the first is dropped
  EXPECT_EQ(3U, map.safe_inputs(1));
  EXPECT_EQ(4U, map.safe_inputs(2));
  EXPECT_EQ(6U, map.safe_inputs(3));
}

TEST(InputMap, ABlockWithoutSurvivorsWaitsForWhatStandsBeforeIt) {
  InputMap map;
  map.add(3, 3);
  map.add(4, 0, {false, false, false, false});
  EXPECT_EQ(2U, map.safe_inputs(2));
  EXPECT_EQ(7U, map.safe_inputs(3));
}

TEST(InputMap, EventsThatBecameOthersTogetherAreDoneWithTogether) {
  InputMap map;
  map.add(1, 3, {}, {0, 0, 1});                             // one became three
  map.add(3, 2, {true, false, true, false}, {0, 0, 0, 3});  // three became two
  map.add(2, 2);
  EXPECT_EQ(0U, map.safe_inputs(2));
  EXPECT_EQ(1U, map.safe_inputs(3));
  EXPECT_EQ(1U, map.safe_inputs(4));
  EXPECT_EQ(4U, map.safe_inputs(5));
  EXPECT_EQ(6U, map.safe_inputs(7));
  EXPECT_EQ(6U, map.inputs());
  EXPECT_EQ(7U, map.outputs());
}

TEST(InputMap, ForwardIsTheLeastOutputThatMakesTheInputsSafe) {
  InputMap map;
  map.add(6, 3, {false, true, false, true, true, false});
  const std::vector<std::uint64_t> expected = {0, 0, 1, 1, 2, 3, 3};
  for (std::uint64_t in = 0; in <= 6; ++in) {
    EXPECT_EQ(expected[in], map.outputs_for(in)) << in;
  }
  map.add(4, 0, {false, false, false, false});  // a position in a block without survivors
  EXPECT_EQ(3U, map.outputs_for(8));
  map.add(1, 3, {}, {0, 0, 1});
  EXPECT_EQ(3U, map.outputs_for(10));
  EXPECT_EQ(6U, map.outputs_for(11));
  EXPECT_EQ(6U, map.outputs_for(100));
  EXPECT_EQ(11U, map.safe_inputs(6));
  EXPECT_GE(map.outputs_for(2), 1U) << "what is acknowledged is not known in detail";
  map.add(5, 5);
  EXPECT_EQ(8U, map.outputs_for(13));
}

// `all`: an output event?, inputs finished after it.
std::uint64_t slow_safe_inputs(const std::vector<std::pair<bool, std::uint32_t>>& all,
                               std::uint64_t left) {
  std::uint64_t safe = 0;
  for (const auto& [kept, done] : all) {
    if (kept && left-- == 0) {
      break;
    }
    safe += done;
  }
  return safe;
}

TEST(InputMap, AgreesWithASlowModelOnRandomHistories) {
  std::mt19937 random(20240607);
  for (int history = 0; history < 200; ++history) {
    InputMap map;
    std::vector<std::pair<bool, std::uint32_t>> all;
    std::uint64_t outputs = 0;
    std::uint64_t acked = 0;
    for (int step = 0; step < 50; ++step) {
      if (random() % 2 == 0) {
        std::vector<bool> keep;
        std::vector<std::uint32_t> done;
        std::uint64_t kept = 0;
        std::uint64_t inputs = 0;
        const std::size_t size = 1 + random() % 20;
        const auto mode = random() % 4;
        for (std::size_t i = 0; i < size; ++i) {
          keep.push_back(mode == 0 || (mode != 2 && random() % 2 == 0));
          kept += keep.back() ? 1U : 0U;
          done.push_back(mode == 3 ? static_cast<std::uint32_t>(random() % 3) : 1U);
          inputs += done.back();
          all.emplace_back(keep.back(), done.back());
        }
        outputs += kept;
        map.add(inputs, kept, kept == size ? std::vector<bool>() : keep,
                mode == 3 ? done : std::vector<std::uint32_t>());
      } else if (outputs > acked) {
        acked += random() % (outputs - acked + 1);
      }
      const std::uint64_t safe = slow_safe_inputs(all, acked);
      ASSERT_EQ(safe, map.safe_inputs(acked)) << "history " << history << " step " << step;
      if (safe < map.inputs()) {
        const std::uint64_t in = safe + 1 + random() % (map.inputs() - safe);
        const std::uint64_t out = map.outputs_for(in);
        ASSERT_GE(slow_safe_inputs(all, out), in) << "history " << history << " step " << step;
        ASSERT_TRUE(out == 0 || slow_safe_inputs(all, out - 1) < in) << "fewer would do";
      }
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
