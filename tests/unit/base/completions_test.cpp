#include "common/base/completions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

namespace fl {
namespace {

TEST(Completions, OneThatIsLateHoldsBackTheRest) {
  Completions tasks;
  tasks.add(130);
  for (std::uint64_t task = 1; task < 130; ++task) {
    EXPECT_TRUE(tasks.complete(task));
  }
  EXPECT_EQ(tasks.prefix(), 0U);
  EXPECT_EQ(tasks.open(), 1U);
  EXPECT_TRUE(tasks.complete(0));
  EXPECT_EQ(tasks.prefix(), 130U);
  EXPECT_EQ(tasks.open(), 0U);
}

TEST(Completions, ATaskEndsOnce) {
  Completions tasks;
  tasks.add(3);
  EXPECT_TRUE(tasks.complete(1));
  EXPECT_FALSE(tasks.complete(1));
  EXPECT_FALSE(tasks.complete(3));
  EXPECT_TRUE(tasks.complete(0));
  EXPECT_FALSE(tasks.complete(0));
  EXPECT_EQ(tasks.open(), 1U);
}

TEST(Completions, AnyOrderLeadsToTheEnd) {
  std::mt19937 random(7);
  Completions tasks;
  std::vector<std::uint64_t> waiting;
  std::vector<bool> done;
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t n = random() % 100;
    waiting.resize(waiting.size() + n);
    std::iota(waiting.end() - static_cast<std::ptrdiff_t>(n), waiting.end(), tasks.added());
    tasks.add(n);
    done.resize(tasks.added());
    std::shuffle(waiting.begin(), waiting.end(), random);
    for (std::size_t i = random() % (waiting.size() + 1); i > 0; --i) {
      done[waiting.back()] = true;
      ASSERT_TRUE(tasks.complete(waiting.back()));
      waiting.pop_back();
    }
    ASSERT_EQ(tasks.open(), waiting.size());
    ASSERT_EQ(tasks.prefix(), static_cast<std::uint64_t>(
                                  std::find(done.begin(), done.end(), false) - done.begin()));
  }
}

}  // namespace
}  // namespace fl
