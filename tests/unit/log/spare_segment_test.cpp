// A segment that nobody needs any more is overwritten: what is in it from its earlier life is never
// taken for an event.
#include <filesystem>
#include <optional>

#include "common/log/retention.h"
#include "tests/unit/log/log_fixture.h"

namespace fl {
namespace {

constexpr std::uint64_t kSegmentBytes = 2 << 20;  // a reader holds 1 MiB in memory

class SpareSegmentTest : public test::LogTest {
 protected:
  SpareSegmentTest() {
    writer_ = open_writer(kSegmentBytes);
    LogCursor::Settings settings;
    settings.group = "g";
    settings.log = writer_->log();
    settings.start = [] { return Result<std::uint64_t>(0); };
    auto cursor = LogCursor::open(*files_, settings);
    EXPECT_TRUE(cursor.ok());
    cursor_.emplace(std::move(*cursor));
  }

  // Puts and syncs until the next segment has begun; its first event is the last one.
  std::uint64_t fill_segment() {
    const std::size_t before = writer_->segments().size();
    while (writer_->segments().size() == before) {
      put(*writer_, 30);
      sync(*writer_);
    }
    return writer_->segments().back();
  }

  // The group has acknowledged all before `next`.
  void pass(std::uint64_t next, bool keeps_spare = true) {
    ASSERT_TRUE(cursor_->move(next).ok());
    RetentionSettings settings;
    settings.keeps_spare = keeps_spare;
    const auto use = free_segments(*files_, writer_->segments(), settings);
    ASSERT_TRUE(use.ok() && !use->sync_error);
    writer_->forget_before(use->first);
  }

  // A segment that is overwritten, with `blocks` of three events in it.
  void begin_used(int blocks) {
    const std::uint64_t second = fill_segment();
    pass(second);
    ASSERT_TRUE(std::filesystem::exists(path("spare")));
    first_ = fill_segment();
    ASSERT_FALSE(std::filesystem::exists(path("spare")));
    for (int i = 0; i < blocks; ++i) {
      put(*writer_, 3);
      sync(*writer_);
    }
  }

  // The process dies.
  void kill_writer() {
    cursor_.reset();
    writer_.reset();
  }

  std::unique_ptr<LogWriter> writer_;
  std::optional<LogCursor> cursor_;
  std::uint64_t first_ = 0;  // of the segment that is overwritten
};

TEST_F(SpareSegmentTest, TheNextSegmentIsWrittenOverTheOneThatWasFreedLast) {
  const std::uint64_t second = fill_segment();
  const auto size = std::filesystem::file_size(path(segment_name(0)));
  pass(second);
  EXPECT_EQ(segments(), std::to_string(second));
  const std::uint64_t third = fill_segment();
  EXPECT_EQ(std::filesystem::file_size(path(segment_name(third))), size);
  put(*writer_, 3);
  sync(*writer_);
  EXPECT_EQ(take_all(second),
            std::to_string(second) + "-" + std::to_string(writer_->next_sequence() - 1));
  EXPECT_EQ(notices(), "");
}

TEST_F(SpareSegmentTest, OneSpareIsEnoughAndAFullDiskHasNone) {
  fill_segment();
  fill_segment();
  pass(fill_segment());
  EXPECT_TRUE(std::filesystem::exists(path("spare")));
  EXPECT_EQ(writer_->segments().size(), 1U);
  pass(writer_->next_sequence(), false);
  EXPECT_FALSE(std::filesystem::exists(path("spare")));
}

TEST_F(SpareSegmentTest, ASpareThatIsTooLargeIsNotTaken) {
  pass(fill_segment());
  std::filesystem::resize_file(path("spare"), kSegmentBytes + 1);
  const std::uint64_t third = fill_segment();
  EXPECT_LE(std::filesystem::file_size(path(segment_name(third))), kSegmentBytes);
}

TEST_F(SpareSegmentTest, AReaderThatStillHasTheSegmentOpenFindsThatItIsGone) {
  const std::uint64_t second = fill_segment();
  LogReader reader = open_reader(0);
  reader.seek(0);
  const auto got = reader.next();
  ASSERT_TRUE(got.ok() && *got == LogReader::Got::block);
  pass(second);
  fill_segment();
  fill_segment();  // all of the old one is overwritten
  ASSERT_TRUE(reader.refresh().ok());
  const std::string taken = take(reader);
  // What it had read is handed out; the rest of the segment is announced as missing.
  const std::string end =
      " " + std::to_string(second) + "-" + std::to_string(writer_->next_sequence() - 1);
  EXPECT_NE(taken.find(" gap "), std::string::npos) << taken;
  EXPECT_TRUE(reader.is_freed());
  EXPECT_NE(taken.find("-" + std::to_string(second - 1) + end), std::string::npos) << taken;
  EXPECT_EQ(taken.find("wrong"), std::string::npos) << taken;
}

TEST_F(SpareSegmentTest, ACleanEndCutsTheFileAndTheSegmentIsContinued) {
  begin_used(2);
  const std::uint64_t next = writer_->next_sequence();
  ASSERT_TRUE(writer_->close().ok());
  EXPECT_EQ(std::filesystem::file_size(path(segment_name(first_))), writer_->segment_bytes());
  kill_writer();
  writer_ = open_writer(kSegmentBytes);
  EXPECT_EQ(writer_->segments().back(), first_);
  EXPECT_EQ(writer_->next_sequence(), next);
  EXPECT_EQ(notices(), "");
}

TEST_F(SpareSegmentTest, AfterAKillTheLogGoesOnInAnotherSegment) {
  begin_used(2);
  put(*writer_, 3);  // written, not synced
  const std::uint64_t next = writer_->next_sequence();
  kill_writer();
  writer_ = open_writer(kSegmentBytes);
  EXPECT_EQ(writer_->next_sequence(), next);
  EXPECT_NE(writer_->segments().back(), first_);
  put(*writer_, 3);
  sync(*writer_);
  EXPECT_EQ(take_all(first_), std::to_string(first_) + "-" + std::to_string(next + 2));
  EXPECT_EQ(notices(), "") << "old records are not a torn tail";
}

TEST_F(SpareSegmentTest, ARecordThatWasNotWrittenWholeIsReported) {
  begin_used(2);
  const std::uint64_t next = writer_->next_sequence();
  const std::uint64_t end = writer_->segment_bytes();
  put(*writer_, 3);
  const std::uint64_t torn = writer_->segment_bytes() - end;
  kill_writer();
  const std::string name = segment_name(first_);
  std::string bytes = content(name);
  bytes[end + 45] ^= 1;  // in the payload
  set_content(name, bytes);
  writer_ = open_writer(kSegmentBytes);
  EXPECT_EQ(writer_->next_sequence(), next);
  ASSERT_EQ(notices_.size(), 1U) << notices();
  EXPECT_NE(notices().find(std::to_string(torn) + " bytes"), std::string::npos) << notices();
  EXPECT_EQ(take_all(first_), std::to_string(first_) + "-" + std::to_string(next - 1));
}

TEST_F(SpareSegmentTest, WithoutAHeadOnlyRecordsOfThisLifeAreFound) {
  begin_used(2);
  const std::uint64_t next = writer_->next_sequence();
  kill_writer();
  std::filesystem::remove(path("head"));
  writer_ = open_writer(kSegmentBytes);
  EXPECT_EQ(writer_->next_sequence(), next);
  EXPECT_EQ(take_all(first_), std::to_string(first_) + "-" + std::to_string(next - 1));
}

}  // namespace
}  // namespace fl
