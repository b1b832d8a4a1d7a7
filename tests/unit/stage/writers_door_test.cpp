// When an endpoint that ends with its writers is over.
#include "common/stage/writers_door.h"

#include <gtest/gtest.h>

#include "tests/support/stage_process.h"

namespace fl {
namespace {

class WritersDoorTest : public testing::Test {
 protected:
  void open(bool until_end) {
    Result<std::unique_ptr<WritersDoor>> door = WritersDoor::open("unix:" + path_, until_end);
    ASSERT_TRUE(door.ok());
    door_ = std::move(*door);
    opened_ms_ = monotonic_ms();
  }
  // The writers that have connected in one turn of the loop.
  std::size_t turn() {
    PollSet set;
    door_->watch(set);
    set.wake_now();
    set.wait();
    std::size_t writers = 0;
    while (door_->next(set)) {
      ++writers;
    }
    return writers;
  }
  // A writer connects, begins its stream, and closes.
  void visit(std::optional<bool> whole) {
    const UniqueFd fd = UnixDialer(path_).dial();
    ASSERT_EQ(turn(), 1U);
    if (whole) {
      door_->begun();
    }
    door_->left(whole);
  }
  // Over, after the time that it always listens.
  bool is_over_in_time() {
    EXPECT_TRUE(test::eventually([&] { return monotonic_ms() > opened_ms_ + 2100; }, 30'000));
    EXPECT_EQ(turn(), 0U);
    return door_->is_over();
  }

  test::StageDir dir_;
  const std::string path_ = dir_.file("x.sock");
  std::unique_ptr<WritersDoor> door_;
  std::int64_t opened_ms_ = 0;
};

TEST_F(WritersDoorTest, ItListensUntilItIsClosed) {
  open(false);
  visit(true);
  EXPECT_FALSE(is_over_in_time());
  door_->close();
  EXPECT_TRUE(door_->is_over());
}

TEST_F(WritersDoorTest, ItIsOverWhenAWriterHasEnded) {
  open(true);
  visit(true);
  EXPECT_EQ(turn(), 0U);
  EXPECT_FALSE(door_->is_over());  // others may be looking for it
  EXPECT_TRUE(is_over_in_time());
}

TEST_F(WritersDoorTest, SomebodyMustHaveEnded) {
  open(true);
  visit(std::nullopt);
  EXPECT_FALSE(is_over_in_time());
}

TEST_F(WritersDoorTest, WhoeverIsConnectedIsWaitedFor) {
  open(true);
  const UniqueFd other = UnixDialer(path_).dial();
  ASSERT_EQ(turn(), 1U);
  visit(true);
  EXPECT_FALSE(is_over_in_time());
  door_->left(std::nullopt);
  EXPECT_TRUE(is_over_in_time());
}

TEST_F(WritersDoorTest, AWriterThatWasLostIsWaitedFor) {
  open(true);
  visit(true);
  visit(false);
  EXPECT_FALSE(is_over_in_time());
  visit(std::nullopt);  // one that sends nothing is not it
  EXPECT_FALSE(is_over_in_time());
  visit(true);
  EXPECT_TRUE(is_over_in_time());
}

}  // namespace
}  // namespace fl
