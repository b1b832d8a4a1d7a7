// Reading a log: from any number, while it is written, and through damage.
#include "common/log/log_reader.h"

#include <filesystem>

#include "tests/unit/log/log_fixture.h"
#include "tests/unit/log/memory_files.h"

namespace fl {
namespace {

class LogReaderTest : public test::LogTest {
 protected:
  /// 100 events in records of 1 to 4, in several segments.
  void make_log(std::uint64_t segment_bytes = 3'000) {
    auto writer = open_writer(segment_bytes);
    while (writer->next_sequence() < 100) {
      put(*writer,
          std::min<std::uint64_t>(1 + writer->next_sequence() % 4, 100 - writer->next_sequence()));
    }
    ASSERT_TRUE(writer->close().ok());
  }
};

TEST_F(LogReaderTest, StartsAtAnyNumberAlsoInsideABlock) {
  make_log();
  EXPECT_NE(segments(), "0");
  for (std::uint64_t from = 0; from < 100; ++from) {
    EXPECT_EQ(take_all(from), std::to_string(from) + "-99");
  }
  EXPECT_EQ(take_all(100), "");
}

TEST_F(LogReaderTest, SmallRecordsComeAsOneBlock) {
  make_log(64 << 20);
  LogReader joined = open_reader();
  joined.seek(0);
  ASSERT_TRUE(joined.next().ok());
  EXPECT_EQ(joined.block().count, 100U);
  LogReader alone = open_reader(0);
  alone.seek(0);
  ASSERT_TRUE(alone.next().ok());
  EXPECT_EQ(alone.block().count, 1U);
  // A frame around such a block reaches into the next record.
  alone.seek(0);
  EXPECT_EQ(take(alone), "0-99");
  LogReader small = open_reader(1'000);
  small.seek(0);
  EXPECT_EQ(take(small), "0-99");
}

TEST_F(LogReaderTest, FollowsAWriterThroughSegmentsAndRestarts) {
  LogReader reader = open_reader();
  EXPECT_FALSE(reader.exists());
  auto writer = open_writer(2'000);
  reader.seek(0);
  std::uint64_t from = 0;
  for (int i = 0; i < 60; ++i) {
    put(*writer, 3);
    put(*writer, 1);
    if (i % 3 != 0) {
      sync(*writer);
    }
    if (i % 7 == 6) {
      writer = nullptr;  // killed, with and without something that is not synced
      writer = open_writer(2'000);
    }
    ASSERT_TRUE(reader.refresh().ok());
    const std::uint64_t durable = reader.durable_sequence();
    ASSERT_EQ(durable, writer->safe_sequence());
    ASSERT_EQ(take(reader),
              durable == from ? "" : std::to_string(from) + "-" + std::to_string(durable - 1));
    from = durable;
  }
  EXPECT_GE(writer->segments().size(), 5U);
  EXPECT_EQ(notices(), "");
}

TEST_F(LogReaderTest, FollowsAHeadThatIsMadeAnew) {
  auto writer = open_writer();
  for (int i = 0; i < 5; ++i) {
    put(*writer, 2);
    sync(*writer);
  }
  LogReader reader = open_reader();
  reader.seek(0);
  EXPECT_EQ(take(reader), "0-9");
  writer = nullptr;
  set_content(kHeadName, "x");
  writer = open_writer();
  put(*writer, 3);
  sync(*writer);
  ASSERT_TRUE(reader.refresh().ok());
  EXPECT_EQ(take(reader), "10-12");
}

TEST_F(LogReaderTest, ASlotThatWasWrittenAndDoesNotHoldIsNoticed) {
  auto writer = open_writer();
  put(*writer, 5);
  ASSERT_TRUE(writer->close().ok());
  put(*writer, 5);
  ASSERT_TRUE(writer->close().ok());
  writer = nullptr;
  const std::string whole = content(kHeadName);
  EXPECT_FALSE(open_reader().head_lacks_slot());
  for (const std::size_t slot : {std::size_t{0}, kHeadSlotDistance}) {
    std::string bytes = whole;
    bytes[slot + 40] ^= 1;
    set_content(kHeadName, bytes);
    EXPECT_TRUE(open_reader().head_lacks_slot()) << slot;
    bytes.replace(slot, kSlotBytes, kSlotBytes, '\0');
    set_content(kHeadName, bytes);
    EXPECT_TRUE(open_reader().head_lacks_slot()) << slot;
  }
  // As it is made, with one slot.
  SlotBytes first = encode(HeadSlot{1, {}, 0, 0, kSegmentHeaderBytes, 0});
  std::string made(reinterpret_cast<const char*>(first.data()), first.size());
  made.resize(kHeadBytes);
  set_content(kHeadName, made);
  EXPECT_FALSE(open_reader().head_lacks_slot());
}

TEST_F(LogReaderTest, FindsTheOldestAndATime) {
  auto writer = open_writer(2'000);
  put(*writer, 30);
  sync(*writer);
  LogReader reader = open_reader();
  EXPECT_EQ(*reader.oldest(), 0U);
  EXPECT_EQ(*reader.at_time(0), 0U);
  EXPECT_EQ(*reader.at_time(static_cast<std::uint64_t>(files_->now_ms()) + 100'000), 30U);
  sync(*writer, true);
  std::filesystem::remove(path(segment_name(0)));
  put(*writer, 30);
  sync(*writer);
  ASSERT_TRUE(reader.refresh().ok());
  EXPECT_EQ(*reader.oldest(), 30U);
}

// Segments made before and after the clock was put back: no event at or after the time is left out.
TEST_F(LogReaderTest, FindsATimeThoughTheClockWasPutBack) {
  const auto machine = std::make_shared<MemoryMachine>();
  files_ = std::make_unique<MemoryFiles>(machine);
  auto writer = open_writer(1);
  const std::int64_t start = machine->now_ms;
  for (const std::int64_t seconds : {0, 100, 200, 50, 60, 300}) {
    machine->now_ms = start + seconds * 1'000;
    sync(*writer, true);
    put(*writer, 10);
    sync(*writer);
  }
  LogReader reader = open_reader();
  const auto at = [&](std::int64_t seconds) {
    return *reader.at_time(static_cast<std::uint64_t>(start + seconds * 1'000));
  };
  EXPECT_EQ(at(0), 0U);
  EXPECT_EQ(at(55), 10U);
  EXPECT_EQ(at(150), 20U);
  EXPECT_EQ(at(250), 50U);
  EXPECT_EQ(at(400), 60U);
}

TEST_F(LogReaderTest, WhatIsFreedBeforeTheOldestEventIsReadIsNotMissing) {
  make_log(2'000);
  const auto firsts = *list_segments(*files_);
  ASSERT_GE(firsts.size(), 4U);
  LogReader reader = open_reader();
  LogReader at_number = open_reader();
  ASSERT_TRUE(reader.seek_oldest().ok());
  at_number.seek(*at_number.oldest());
  std::filesystem::remove(path(segment_name(firsts[0])));
  std::filesystem::remove(path(segment_name(firsts[1])));
  EXPECT_EQ(take(reader), std::to_string(firsts[2]) + "-99");
  EXPECT_EQ(notices(), "");
  EXPECT_EQ(take(at_number).find("gap 0-"), 0U);
  // Nor again: what comes after the first event is.
  ASSERT_TRUE(reader.seek_oldest().ok());
  ASSERT_TRUE(reader.next().ok());
  for (std::size_t i = 2; i + 1 < firsts.size(); ++i) {
    std::filesystem::remove(path(segment_name(firsts[i])));
  }
  EXPECT_NE(take(reader).find("gap "), std::string::npos);
}

// The directory was emptied, and a new log made in it, under a reader.
TEST_F(LogReaderTest, AnotherLogInItsPlaceIsAnError) {
  make_log();
  LogReader reader = open_reader();
  reader.seek(0);
  EXPECT_EQ(take(reader), "0-99");
  for (const auto& one : std::filesystem::directory_iterator(path(""))) {
    std::filesystem::remove_all(one.path());
  }
  make_log();
  const auto refreshed = reader.refresh();
  ASSERT_FALSE(refreshed.ok());
  EXPECT_EQ(refreshed.error().kind, ErrorClass::again);
}

TEST_F(LogReaderTest, RemovedSegmentsAreAGap) {
  make_log(2'000);
  const auto firsts = *list_segments(*files_);
  ASSERT_GE(firsts.size(), 4U);
  std::filesystem::remove(path(segment_name(firsts[0])));
  std::filesystem::remove(path(segment_name(firsts[2])));
  EXPECT_EQ(take_all(), "gap 0-" + std::to_string(firsts[1] - 1) + " " + std::to_string(firsts[1]) +
                            "-" + std::to_string(firsts[2] - 1) + " gap " +
                            std::to_string(firsts[2]) + "-" + std::to_string(firsts[3] - 1) + " " +
                            std::to_string(firsts[3]) + "-99");
  EXPECT_EQ(notices_.size(), 2U);
}

// Each byte of a log is damaged once: at most the record it belongs to is lost, and never silently.
TEST_F(LogReaderTest, ADamagedByteCostsAtMostItsRecord) {
  make_log();
  const auto firsts = *list_segments(*files_);
  for (const std::uint64_t first : firsts) {
    const std::string name = segment_name(first);
    const std::string whole = content(name);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      if (at > 64 && at < kSegmentHeaderBytes - 16 && at % 512 != 0) {
        continue;  // zeros of the header's block
      }
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
      set_content(name, bytes);
      notices_.clear();
      LogReader reader = open_reader();
      reader.seek(0);
      const std::string got = take(reader);
      if (got != "0-99") {
        ASSERT_LE(reader.missing(), 4U) << name << " " << at << ": " << got;
        ASSERT_GE(reader.missing(), 1U) << name << " " << at << ": " << got;
        ASSERT_EQ(got.find("wrong"), std::string::npos) << name << " " << at << ": " << got;
        ASSERT_EQ(notices_.size(), 2U);
        ASSERT_NE(got.find("gap"), std::string::npos);
        ASSERT_NE(notices().find("kept in quarantine/"), std::string::npos) << notices();
      } else {
        ASSERT_TRUE(at < kSegmentHeaderBytes || notices_.empty()) << at;
      }
    }
    set_content(name, whole);
  }
  EXPECT_EQ(take_all(), "0-99");
}

TEST_F(LogReaderTest, DamageAtTheDurableEndDoesNotStopWhatComesLater) {
  auto writer = open_writer();
  put(*writer, 3);
  put(*writer, 3);
  sync(*writer);
  std::string bytes = content(segment_name(0));
  bytes[bytes.size() - 20] = static_cast<char>(bytes[bytes.size() - 20] ^ 1);
  const std::size_t at = bytes.size() - 20;
  {
    std::fstream file(path(segment_name(0)), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(bytes[at]);
  }
  LogReader reader = open_reader();
  reader.seek(0);
  EXPECT_EQ(take(reader), "0-2 gap 3-5");
  put(*writer, 4);
  sync(*writer);
  ASSERT_TRUE(reader.refresh().ok());
  EXPECT_EQ(take(reader), "6-9");
}

// A record of the log inside an event, as when a log is shipped through a log.
TEST_F(LogReaderTest, ARecordInsideAnEventIsNotTakenForOne) {
  auto writer = open_writer();
  put(*writer, 3);
  sync(*writer);
  std::string inner = content(segment_name(0)).substr(kSegmentHeaderBytes);
  std::string event;
  append_event(event, {}, std::string(256, 'x') + inner + inner);
  std::string memory = std::string(Block::kBefore, ' ') + event + std::string(Block::kAfter, ' ');
  for (int shift = 0; shift < 8; ++shift) {
    event.clear();
    append_event(event, {}, std::string(static_cast<std::size_t>(256 + shift), 'x') + inner);
    memory = std::string(Block::kBefore, ' ') + event + std::string(Block::kAfter, ' ');
    ASSERT_TRUE(writer
                    ->append({reinterpret_cast<std::uint8_t*>(memory.data()) + Block::kBefore,
                              event.size(), 1})
                    .ok());
  }
  put(*writer, 2);
  ASSERT_TRUE(writer->close().ok());
  std::string bytes = content(segment_name(0));
  bytes[kSegmentHeaderBytes + inner.size() + 4] ^= 1;  // the length of the first such record
  set_content(segment_name(0), bytes);
  LogReader reader = open_reader(0);
  reader.seek(0);
  ASSERT_EQ(*reader.next(), LogReader::Got::block);
  ASSERT_EQ(*reader.next(), LogReader::Got::gap);
  EXPECT_EQ(reader.first(), 3U);
  EXPECT_EQ(reader.count(), 1U);
  ASSERT_EQ(*reader.next(), LogReader::Got::block);
  EXPECT_EQ(reader.first(), 4U);
}

}  // namespace
}  // namespace fl
