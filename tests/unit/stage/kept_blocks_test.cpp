#include "common/stage/kept_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>

#include "tests/support/numbered_events.h"

namespace fl {
namespace {

constexpr std::size_t kBlockBytes = 1 << 16;

BlockBuilder block_of(const Batch& batch) {
  BlockBuilder builder;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    builder.add_encoded({}, batch[i].bytes());
  }
  return builder;
}

TEST(KeptBlocks, AnEventIsSafeWhenAllBeforeItAre) {
  KeptBlocks kept(2);
  NumberedEvents events;
  kept.add(events.batch(3), 1);  // blocks of one event
  EXPECT_EQ(numbers_of(kept.give(0)), (Numbers{0}));
  EXPECT_EQ(numbers_of(kept.give(1)), (Numbers{1}));
  EXPECT_EQ(numbers_of(kept.give(0)), (Numbers{2}));
  EXPECT_TRUE(kept.acked(1, 1, false));
  EXPECT_EQ(kept.safe(), 0U);
  EXPECT_TRUE(kept.acked(0, 1, false));
  EXPECT_EQ(kept.safe(), 2U);
  EXPECT_FALSE(kept.acked(0, 1, false));
  EXPECT_FALSE(kept.empty());
  EXPECT_TRUE(kept.acked(0, 2, false));
  EXPECT_TRUE(kept.empty());
  EXPECT_EQ(kept.bytes(), 0U);
}

TEST(KeptBlocks, ABlockIsSentAgainWithoutWhatWasAcknowledged) {
  KeptBlocks kept(2);
  NumberedEvents events;
  kept.add(events.batch(5), kBlockBytes);
  EXPECT_EQ(numbers_of(kept.give(0)), (Numbers{0, 1, 2, 3, 4}));
  kept.acked(0, 2, false);
  EXPECT_EQ(kept.safe(), 2U);
  EXPECT_EQ(kept.take_back(0), 3U);
  EXPECT_EQ(numbers_of(kept.give(1)), (Numbers{2, 3, 4}));
  kept.acked(1, 1, false);
  EXPECT_EQ(kept.safe(), 3U);
  EXPECT_EQ(kept.take_back(1), 2U);
  EXPECT_EQ(numbers_of(kept.give(0)), (Numbers{3, 4}));
  kept.acked(0, 2, false);
  EXPECT_TRUE(kept.empty());
}

TEST(KeptBlocks, SmallBlocksThatWaitBecomeOne) {
  KeptBlocks kept(1);
  NumberedEvents events;
  const auto add = [&](std::size_t count) {
    BlockBuilder block = block_of(events.batch(count));
    kept.add(block.block(), kBlockBytes);
  };
  add(1);
  add(2);
  EXPECT_EQ(kept.waiting(), 1U);
  EXPECT_EQ(numbers_of(kept.give(0)), (Numbers{0, 1, 2}));
  add(1);  // nothing is added to what an output has
  add(BlockBuilder::kMaxCount - 1);
  add(1);  // nor to a full one
  EXPECT_EQ(kept.waiting(), 2U);
  kept.acked(0, 1, false);
  kept.take_back(0);
  EXPECT_EQ(numbers_of(kept.give(0)), (Numbers{1, 2}));
}

TEST(KeptBlocks, RoomIsAskedForOnceUntilSomethingIsSafe) {
  KeptBlocks kept(1);
  NumberedEvents events;
  constexpr std::uint64_t kCapacity = 4 * KeptBlocks::kBlockCost;
  kept.add(events.batch(2), 1);
  EXPECT_EQ(kept.wanted_for_room(kCapacity), 0U);
  kept.add(events.batch(1), 1);
  EXPECT_EQ(kept.wanted_for_room(kCapacity), 3U);
  EXPECT_FALSE(kept.is_full(kCapacity));
  kept.add(events.batch(1), 1);
  EXPECT_EQ(kept.wanted_for_room(kCapacity), 0U);
  EXPECT_TRUE(kept.is_full(kCapacity));
  kept.give(0);
  kept.acked(0, 1, false);
  EXPECT_FALSE(kept.is_full(kCapacity));
  EXPECT_EQ(kept.wanted_for_room(kCapacity), 4U);
  EXPECT_FALSE(KeptBlocks(1).is_full(0));  // one event larger than all goes alone
}

TEST(KeptBlocks, WhatIsNotWrittenYetCannotBeAcknowledged) {
  KeptBlocks kept(1);
  NumberedEvents events;
  kept.add(events.batch(2), 1);
  kept.give(0);
  EXPECT_FALSE(kept.acked(0, 1, true));
  kept.give(0);
  EXPECT_TRUE(kept.acked(0, 2, true));
  EXPECT_EQ(kept.safe(), 1U);
}

TEST(KeptBlocks, WhoeverGetsARequestedEventIsToMakeItSafe) {
  KeptBlocks kept(2);
  NumberedEvents events;
  kept.add(events.batch(4), 1);
  kept.give(0);
  kept.give(0);
  kept.want(3);
  EXPECT_EQ(kept.wanted(0), 2U);
  EXPECT_EQ(kept.wanted(1), 0U);
  kept.give(1);
  EXPECT_EQ(kept.wanted(1), 1U);
  kept.give(1);
  EXPECT_EQ(kept.wanted(1), 1U);  // the fourth was not asked for
  kept.take_back(0);
  EXPECT_EQ(kept.wanted(0), 0U);
  kept.give(1);
  kept.give(1);
  EXPECT_EQ(kept.wanted(1), 4U);
}

TEST(KeptBlocks, ABlockIsRefusedByAllOnlyIfEachHadIt) {
  KeptBlocks kept(2);
  NumberedEvents events;
  kept.add(events.batch(2), 1);
  EXPECT_FALSE(kept.is_refused_by(0));
  kept.give(0);
  kept.give(1);
  for (const std::size_t output : {0U, 1U}) {
    kept.refuse(output);
    kept.take_back(output);
  }
  EXPECT_TRUE(kept.is_refused_by(1));
  EXPECT_FALSE(kept.is_refused_by(3));
  kept.give(1);
  kept.refuse(1);
  kept.take_back(1);
  EXPECT_TRUE(kept.is_refused_by(3));
}

// What KeptBlocks promises, event by event.
class Model {
 public:
  explicit Model(std::size_t outputs) : streams_(outputs) {}

  void add(std::size_t count) { events_.resize(events_.size() + count); }
  void give(std::size_t output, const Numbers& numbers) {
    Stream& stream = streams_[output];
    ASSERT_FALSE(numbers.empty());
    const auto first = std::find_if(events_.begin(), events_.end(), [](const Event& event) {
      return event.output < 0 && !event.is_acked;
    });
    ASSERT_EQ(numbers.front(), first - events_.begin());
    stream.last_block = stream.numbers.size();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ(numbers[i], numbers[0] + i);
      Event& event = events_[numbers[i]];
      ASSERT_FALSE(event.is_acked);
      ASSERT_LT(event.output, 0);
      event.output = static_cast<int>(output);
      stream.numbers.push_back(numbers[i]);
    }
  }
  void acked(std::size_t output, std::uint64_t n, bool writing) {
    Stream& stream = streams_[output];
    const std::size_t most = writing ? stream.last_block : stream.numbers.size();
    stream.acked = std::max(stream.acked, std::min<std::size_t>(n, most));
    for (std::size_t i = 0; i < stream.acked; ++i) {
      events_[stream.numbers[i]].is_acked = true;
    }
  }
  std::uint64_t take_back(std::size_t output) {
    std::uint64_t count = 0;
    for (const std::uint64_t number : streams_[output].numbers) {
      events_[number].output = -1;
      count += events_[number].is_acked ? 0U : 1U;
    }
    streams_[output] = {};
    return count;
  }
  std::uint64_t safe() const {
    const auto first = std::find_if(events_.begin(), events_.end(),
                                    [](const Event& event) { return !event.is_acked; });
    return static_cast<std::uint64_t>(first - events_.begin());
  }
  std::uint64_t given(std::size_t output) const { return streams_[output].numbers.size(); }
  std::uint64_t acked(std::size_t output) const { return streams_[output].acked; }
  /// Of the events asked for, the last one that is not acknowledged.
  std::uint64_t wanted(std::size_t output, std::uint64_t wanted) const {
    const Stream& stream = streams_[output];
    for (std::size_t i = stream.numbers.size(); i > 0; --i) {
      if (stream.numbers[i - 1] < wanted && !events_[stream.numbers[i - 1]].is_acked) {
        return i;
      }
    }
    return 0;
  }
  std::size_t size() const { return events_.size(); }

 private:
  struct Event {
    int output = -1;
    bool is_acked = false;
  };
  struct Stream {
    Numbers numbers;
    std::size_t last_block = 0;
    std::size_t acked = 0;
  };
  std::vector<Event> events_;
  std::vector<Stream> streams_;
};

TEST(KeptBlocks, BehavesLikeASlowModel) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto up_to = [&](std::uint64_t most) { return random() % (most + 1); };
    const std::size_t outputs = 1 + up_to(3);
    KeptBlocks kept(outputs);
    Model model(outputs);
    NumberedEvents events;
    std::uint64_t wanted = 0;
    for (int step = 0; step < 300; ++step) {
      const std::size_t output = up_to(outputs - 1);
      switch (up_to(5)) {
        case 0: {
          const std::size_t count = up_to(20);
          const Batch& batch = events.batch(count);
          if (count > 0 && up_to(1) == 0) {
            BlockBuilder block = block_of(batch);
            kept.add(block.block(), 1 + up_to(100));
          } else {
            kept.add(batch, 1 + up_to(100));
          }
          model.add(count);
          break;
        }
        case 1:
        case 2:
          if (kept.waiting() > 0) {
            model.give(output, numbers_of(kept.give(output)));
          }
          break;
        case 3: {
          const std::uint64_t n = up_to(kept.given(output));
          const bool writing = up_to(1) == 0;
          kept.acked(output, n, writing);
          model.acked(output, n, writing);
          break;
        }
        case 4:
          if (up_to(4) == 0) {
            ASSERT_EQ(kept.take_back(output), model.take_back(output));
          }
          break;
        default:
          wanted = std::max(wanted, up_to(model.size()));
          kept.want(wanted);
      }
      if (HasFatalFailure()) {
        return;
      }
      ASSERT_EQ(kept.safe(), model.safe());
      ASSERT_EQ(kept.events(), model.size());
      ASSERT_EQ(kept.empty(), model.safe() == model.size());
      ASSERT_EQ(kept.bytes() == 0, kept.empty());
      for (std::size_t i = 0; i < outputs; ++i) {
        ASSERT_EQ(kept.given(i), model.given(i));
        ASSERT_EQ(kept.holds(i), model.acked(i) < model.given(i));
        // Asking for what it has acknowledged already changes nothing.
        ASSERT_EQ(std::max(kept.wanted(i), model.acked(i)),
                  std::max(model.wanted(i, wanted), model.acked(i)));
      }
    }
    // Whatever happened, everything comes through one output in the end.
    for (std::size_t i = 0; i < outputs; ++i) {
      kept.take_back(i);
      model.take_back(i);
    }
    while (kept.waiting() > 0) {
      model.give(0, numbers_of(kept.give(0)));
    }
    kept.acked(0, kept.given(0), false);
    ASSERT_TRUE(kept.empty());
    ASSERT_EQ(kept.safe(), model.size());
  }
}

}  // namespace
}  // namespace fl
