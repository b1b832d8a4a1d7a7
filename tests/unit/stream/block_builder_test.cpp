#include "common/stream/block_builder.h"

#include <gtest/gtest.h>

#include <string>

#include "common/event/event.h"

namespace fl {
namespace {

TEST(BlockBuilder, BodiesOfEventsInPartsAndEncodedCount) {
  std::string encoded;
  append_event(encoded, {}, "four");
  append_event(encoded, {{"name", "value"}}, std::string(100, 'x'));
  BlockBuilder builder;
  builder.add({}, "three");
  EXPECT_EQ(builder.body_bytes(), 5U);
  builder.add_encoded({}, encoded, 2);
  EXPECT_EQ(builder.body_bytes(), 109U);
  builder.clear();
  EXPECT_EQ(builder.body_bytes(), 0U);
  builder.add({}, "one");
  EXPECT_EQ(builder.body_bytes(), 3U);
}

}  // namespace
}  // namespace fl
