#include "common/net/slow_reader.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

TEST(SlowReader, OneThatReadsStays) {
  SlowReader client;
  EXPECT_EQ(client.more_ms(70'000), 5000);
  EXPECT_EQ(client.more_ms(72'500), 5000);
  EXPECT_EQ(client.more_ms(75'000), 5000);
  EXPECT_EQ(client.more_ms(77'499), 0);
}

TEST(SlowReader, WhatWasWrittenBeginsAnew) {
  SlowReader client;
  EXPECT_EQ(client.more_ms(1), 5000);
  client.reset();
  EXPECT_EQ(client.more_ms(1), 5000);
  EXPECT_EQ(client.more_ms(1), 0);
}

}  // namespace
}  // namespace fl
