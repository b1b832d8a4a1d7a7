#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/support/figures.h"
#include "tests/unit/component_options.h"

namespace fl {
ComponentType memory_channel();

namespace {

Channel make(const test::Settings& settings) {
  const ComponentType type = memory_channel();
  Channel channel = type.channel(test::options_of(type, settings));
  EXPECT_TRUE(channel.put->open({}).ok());
  EXPECT_TRUE(channel.take->open({}).ok());
  return channel;
}

void put(const Channel& channel, const std::string& bytes, std::uint64_t count) {
  std::string copy = bytes;
  Block block{reinterpret_cast<std::uint8_t*>(copy.data()), copy.size(), count};
  ASSERT_TRUE(channel.put->put(block).ok());
  copy.assign(copy.size(), '?');  // the channel has its own
}

std::string text_of(const Block& block) {
  return {reinterpret_cast<const char*>(block.data), block.size};
}

TEST(MemoryChannel, FirstInFirstOutThroughManyRounds) {
  const Channel channel = make({});
  EXPECT_EQ(channel.take->front(), nullptr);
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 40; ++i, ++in) {
      put(channel, std::string(in * 37 % 3000, 'x') + std::to_string(in), 1);
    }
    for (int i = 0; i < 30; ++i, ++out) {
      Block* const block = channel.take->front();
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(text_of(*block), std::string(out * 37 % 3000, 'x') + std::to_string(out));
      std::memset(block->data - Block::kBefore, 1, Block::kBefore);  // room for a frame
      std::memset(block->data + block->size, 1, Block::kAfter);
      channel.take->pop();
    }
  }
  for (; out != in; ++out) {
    channel.take->pop();
  }
  EXPECT_EQ(channel.take->front(), nullptr);
  EXPECT_EQ(figure_words(*channel.put), "0 events held, 0 B used");
}

TEST(MemoryChannel, FullByEvents) {
  const Channel channel = make({{"capacity", "10"}});
  put(channel, "a", 9);
  EXPECT_TRUE(channel.put->ready());
  put(channel, "b", 5);
  EXPECT_FALSE(channel.put->ready());
  channel.take->pop();
  EXPECT_TRUE(channel.put->ready());
}

TEST(MemoryChannel, FullByBytesAndABlockLargerThanAll) {
  const Channel channel = make({{"byteCapacity", "4096"}});
  put(channel, std::string(100'000, 'x'), 1);
  EXPECT_FALSE(channel.put->ready());
  EXPECT_EQ(channel.take->front()->size, 100'000u);
  channel.take->pop();
  EXPECT_TRUE(channel.put->ready());
}

TEST(MemoryChannel, AcknowledgesAtPutOnlyIfAsked) {
  EXPECT_FALSE(make({}).put->traits().acks_at_put);
  const Channel channel = make({{"ackAt", "put"}});
  EXPECT_TRUE(channel.put->traits().acks_at_put);
  EXPECT_EQ(channel.put->guarantee()->level, Level::memory);
  put(channel, "abc", 3);
  EXPECT_EQ(channel.put->safe(), 3u);
}

TEST(MemoryChannel, IsOverWhenTheLastBlockWasTaken) {
  const Channel channel = make({});
  put(channel, "abc", 3);
  EXPECT_FALSE(channel.take->over());
  channel.take->put_over();
  EXPECT_FALSE(channel.take->over());
  channel.take->pop();
  EXPECT_TRUE(channel.take->over());
}

}  // namespace
}  // namespace fl
