// The half of fl-channel file that hands out, between the calls of the loop.
#include "tools/fl-channel/file/file_take.h"

#include "tests/unit/log/log_fixture.h"

namespace fl {
namespace {

using FileTakeTest = test::LogTest;

// The loop may ask for more until the reader has heard of the end.
TEST_F(FileTakeTest, HandsOutNothingAfterItsEnd) {
  auto writer = open_writer();
  put(*writer, 10);
  sync(*writer);
  FileOptions options;
  options.directory = files_->path();
  options.take = options.once = true;
  FileTake take(options, nullptr);
  ASSERT_TRUE(take.open({}).ok());
  ASSERT_NE(take.front(), nullptr);
  take.pop();
  EXPECT_EQ(take.front(), nullptr);
  ASSERT_TRUE(take.acked(10).ok());
  EXPECT_TRUE(take.over());
  put(*writer, 10);
  sync(*writer);
  ASSERT_TRUE(take.close().ok());
  EXPECT_EQ(take.front(), nullptr);
  EXPECT_TRUE(take.over());
  EXPECT_EQ(read_group(*files_, "default", false)->slot.next_sequence, 10U);
}

}  // namespace
}  // namespace fl
