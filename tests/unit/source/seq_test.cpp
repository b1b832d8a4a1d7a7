#include <gtest/gtest.h>

#include <string>

#include "tests/unit/component_options.h"

namespace fl {
ComponentType seq_source();

namespace {

TEST(SeqSource, CountsAndEnds) {
  const ComponentType type = seq_source();
  const auto source = type.source(test::options_of(type, {{"totalEvents", "12345"}}));
  ASSERT_TRUE(source->open({}).ok());
  EXPECT_FALSE(source->has_state());
  std::uint64_t expected = 0;
  BlockBuilder out;
  for (;;) {
    const auto state = source->produce(out);
    ASSERT_TRUE(state.ok());
    Batch batch;
    test::fill(batch, out.block());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      ASSERT_EQ(batch[i].body(), std::to_string(expected));
      EXPECT_FALSE(batch[i].has_headers());
      ++expected;
    }
    out.clear();
    if (*state == Source::State::end) {
      break;
    }
  }
  EXPECT_EQ(expected, 12345u);
}

TEST(SeqSource, CountZeroIsNothing) {
  const ComponentType type = seq_source();
  const auto source = type.source(test::options_of(type, {{"totalEvents", "0"}}));
  BlockBuilder out;
  const auto state = source->produce(out);
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(*state, Source::State::end);
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace fl
