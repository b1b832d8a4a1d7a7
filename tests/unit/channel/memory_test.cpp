#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/support/figures.h"
#include "tests/unit/component_options.h"

namespace fl {
ComponentType memory_channel();

namespace {

std::unique_ptr<Channel> make(const test::Settings& settings) {
  const ComponentType type = memory_channel();
  auto channel = type.channel(test::options_of(type, settings));
  EXPECT_TRUE(channel->open({}).ok());
  return channel;
}

void put(Channel& channel, const std::string& bytes, std::uint64_t count) {
  std::string copy = bytes;
  Block block{reinterpret_cast<std::uint8_t*>(copy.data()), copy.size(), count};
  ASSERT_TRUE(channel.put(block).ok());
  copy.assign(copy.size(), '?');  // the channel has its own
}

std::string text_of(const Block& block) {
  return {reinterpret_cast<const char*>(block.data), block.size};
}

TEST(MemoryChannel, FirstInFirstOutThroughManyRounds) {
  const auto channel = make({});
  EXPECT_EQ(channel->front(), nullptr);
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 40; ++i, ++in) {
      put(*channel, std::string(in * 37 % 3000, 'x') + std::to_string(in), 1);
    }
    for (int i = 0; i < 30; ++i, ++out) {
      Block* const block = channel->front();
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(text_of(*block), std::string(out * 37 % 3000, 'x') + std::to_string(out));
      std::memset(block->data - Block::kBefore, 1, Block::kBefore);  // room for a frame
      std::memset(block->data + block->size, 1, Block::kAfter);
      channel->pop();
    }
  }
  for (; out != in; ++out) {
    channel->pop();
  }
  EXPECT_EQ(channel->front(), nullptr);
  EXPECT_EQ(figure_words(*channel), "0 events held, 0 B used");
}

TEST(MemoryChannel, FullByEvents) {
  const auto channel = make({{"capacity", "10"}});
  put(*channel, "a", 9);
  EXPECT_TRUE(channel->has_room());
  put(*channel, "b", 5);
  EXPECT_FALSE(channel->has_room());
  channel->pop();
  EXPECT_TRUE(channel->has_room());
}

TEST(MemoryChannel, FullByBytesAndABlockLargerThanAll) {
  const auto channel = make({{"byteCapacity", "4096"}});
  put(*channel, std::string(100'000, 'x'), 1);
  EXPECT_FALSE(channel->has_room());
  EXPECT_EQ(channel->front()->size, 100'000u);
  channel->pop();
  EXPECT_TRUE(channel->has_room());
}

TEST(MemoryChannel, AcknowledgesAtPutOnlyIfAsked) {
  EXPECT_FALSE(make({})->acks_at_put());
  EXPECT_TRUE(make({{"ackAt", "put"}})->acks_at_put());
}

}  // namespace
}  // namespace fl
