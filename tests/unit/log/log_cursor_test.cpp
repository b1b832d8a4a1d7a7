// Cursors: a group continues where it was, and two takers never share it.
#include "common/log/log_cursor.h"

#include <filesystem>
#include <set>
#include <utility>

#include "tests/unit/log/log_fixture.h"
#include "tests/unit/log/memory_files.h"

namespace fl {
namespace {

class LogCursorTest : public test::LogTest {
 protected:
  LogCursorTest() {
    auto writer = open_writer();
    put(*writer, 100);
    EXPECT_TRUE(writer->close().ok());
    log_ = writer->log();
  }

  Result<LogCursor> open(const std::string& group = "default", std::uint64_t start = 7) {
    LogCursor::Settings settings;
    settings.group = group;
    settings.log = log_;
    settings.durable_sequence = 100;
    settings.oldest = oldest_;
    settings.start = [start] { return Result<std::uint64_t>(start); };
    settings.notify = notify();
    return LogCursor::open(*files_, settings);
  }

  LogId log_{};
  std::uint64_t oldest_ = 0;
};

TEST_F(LogCursorTest, BeginsWhereItIsToldAndGoesOnWhereItWas) {
  {
    auto cursor = open();
    ASSERT_TRUE(cursor.ok()) << cursor.error().message;
    EXPECT_EQ(cursor->next(), 7U);
    for (std::uint64_t n = 8; n < 30; ++n) {
      ASSERT_TRUE(cursor->move(n).ok());
    }
    ASSERT_TRUE(cursor->sync().ok());
  }
  EXPECT_EQ(open("default", 50)->next(), 29U);
  EXPECT_EQ(open("other", 50)->next(), 50U);
  EXPECT_EQ(*list_groups(*files_), (std::vector<std::string>{"default", "other"}));
  EXPECT_EQ(highest_cursor(*files_), 50U);
  EXPECT_EQ(notices(), "");
}

TEST_F(LogCursorTest, ASecondTakerHearsWhoTheFirstIs) {
  const auto first = open();
  const auto second = open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorClass::again);
  EXPECT_NE(second.error().message.find("group 'default' of"), std::string::npos);
  EXPECT_NE(second.error().message.find("process " + std::to_string(getpid())), std::string::npos);
  EXPECT_TRUE(open("other").ok());
}

// A torn slot leaves the one before: events come again, none is left out. It is reported once.
TEST_F(LogCursorTest, EachDamagedBitLeavesTheSlotBefore) {
  {
    auto cursor = open();
    ASSERT_TRUE(cursor->move(20).ok());
    ASSERT_TRUE(cursor->sync().ok());
    ASSERT_TRUE(cursor->move(30).ok());
  }
  const std::string whole = content("groups/default");
  ASSERT_EQ(whole.size(), kCursorBytes);
  for (std::size_t bit = 0; bit < 2 * kSlotBytes * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    set_content("groups/default", bytes);
    const std::uint64_t next = open()->next();
    ASSERT_EQ(next, bit < kSlotBytes * 8 ? 20U : 30U) << bit;
    ASSERT_EQ(notices_.size(), 1U) << bit;
    ASSERT_NE(notices().find("one of its two positions is damaged"), std::string::npos);
    EXPECT_EQ(open()->next(), next);
    ASSERT_EQ(notices_.size(), 1U) << bit;
    notices_.clear();
  }
}

TEST_F(LogCursorTest, AtEachLengthALostSlotIsReported) {
  {
    auto cursor = open();
    ASSERT_TRUE(cursor->move(20).ok());
    ASSERT_TRUE(cursor->sync().ok());
    ASSERT_TRUE(cursor->move(30).ok());
  }
  const std::string whole = content("groups/default");
  for (std::size_t size = 0; size < 2 * kSlotBytes; ++size) {
    set_content("groups/default", whole.substr(0, size));
    const std::uint64_t next = open()->next();  // its last bytes are zeros, and may be missing
    ASSERT_TRUE(next == 30 || (size < kSlotBytes && next == 0)) << size << ": " << next;
    ASSERT_EQ(notices_.size(), 1U) << size;
    ASSERT_TRUE(open().ok());
    ASSERT_EQ(notices_.size(), 1U) << size;
    notices_.clear();
  }
  for (const std::size_t slot : {0U, 1U}) {  // as a lost block of the disk may leave it
    std::string bytes = whole;
    bytes.replace(slot * kSlotBytes, kSlotBytes, kSlotBytes, '\0');
    set_content("groups/default", bytes);
    EXPECT_EQ(open()->next(), slot == 0 ? 20U : 30U);
    EXPECT_EQ(notices_.size(), 1U);
    notices_.clear();
  }
}

// However often it moves between two syncs: what is on disk is not overwritten.
TEST_F(LogCursorTest, WhatIsSyncedStaysUntilSomethingNewerIs) {
  std::uint64_t synced = 7;
  auto cursor = open();
  for (std::uint64_t n = 8; n < 60; ++n) {
    ASSERT_TRUE(cursor->move(n).ok());
    const std::string whole = content("groups/default");
    std::set<std::uint64_t> left;
    for (std::size_t slot = 0; slot < 2; ++slot) {  // what is being written is torn
      std::string bytes = whole;
      bytes.replace(slot * kSlotBytes, kSlotBytes, kSlotBytes, '\0');
      CursorSlot found;
      ASSERT_EQ(newest_slot(bytes, kCursorSlotDistance, found), Decoded::ok);
      left.insert(found.next_sequence);
    }
    EXPECT_EQ(left, (std::set<std::uint64_t>{synced, n}));
    if (n % 7 == 0) {
      ASSERT_TRUE(cursor->sync().ok());
      synced = n;
    }
  }
}

TEST_F(LogCursorTest, AMoveDuringASyncIsWrittenAfterIt) {
  auto cursor = open();
  ASSERT_TRUE(cursor->move(20).ok());
  cursor->begin_sync();
  const std::string before = content("groups/default");
  ASSERT_TRUE(cursor->move(30).ok());
  EXPECT_EQ(content("groups/default"), before);
  EXPECT_EQ(cursor->next(), 30U);
  ASSERT_TRUE(cursor->sync_file().ok());
  ASSERT_TRUE(cursor->finish_sync().ok());
  CursorSlot found;
  ASSERT_EQ(newest_slot(content("groups/default"), kCursorSlotDistance, found), Decoded::ok);
  EXPECT_EQ(found.next_sequence, 30U);
}

// In the page cache what could not be synced looks like what was, and a later sync stores nothing.
TEST_F(LogCursorTest, ALaterSyncStoresWhatCouldNotBeSynced) {
  const auto machine = std::make_shared<MemoryMachine>();
  machine->disk->directories["groups"];
  MemoryFiles files(machine);
  bool fails = false;
  machine->plan = [&fails](Call call, const std::string& name) {
    const bool is_cursor = call == Call::fdatasync && name == "groups/g";
    return is_cursor && std::exchange(fails, false) ? CallFault{EIO} : CallFault();
  };
  LogCursor::Settings settings;
  settings.group = "g";
  settings.durable_sequence = 100;
  settings.start = [] { return Result<std::uint64_t>(7); };
  const auto on_disk = [&machine] {
    CursorSlot slot;
    const std::string& kept = machine->disk->file("groups/g")->kept.get();
    EXPECT_EQ(newest_slot(kept, kCursorSlotDistance, slot), Decoded::ok);
    return slot.next_sequence;
  };
  {
    auto cursor = LogCursor::open(files, settings);
    ASSERT_TRUE(cursor.ok()) << cursor.error().message;
    ASSERT_TRUE(cursor->move(20).ok());
    ASSERT_TRUE(cursor->sync().ok());
    ASSERT_TRUE(cursor->move(30).ok());
    fails = true;
    EXPECT_FALSE(cursor->sync().ok());
    EXPECT_FALSE(cursor->sync().ok());
    EXPECT_FALSE(cursor->move(40).ok());
    // Another's sync, as the putter's before it frees: what it reads is on disk afterwards.
    EXPECT_EQ(read_group(files, "g", true)->slot.next_sequence, 30U);
    EXPECT_EQ(on_disk(), 30U);
  }
  {  // the putter's own sync fails, for a taker that was killed before its own
    auto cursor = LogCursor::open(files, settings);
    ASSERT_TRUE(cursor->move(50).ok());
  }
  fails = true;
  EXPECT_TRUE(read_group(files, "g", true)->sync_error.has_value());
  {
    auto cursor = LogCursor::open(files, settings);
    EXPECT_EQ(cursor->next(), 50U);
    EXPECT_EQ(on_disk(), 50U);
  }
}

// What comes before the log's first event was freed because a newer slot had been on disk.
TEST_F(LogCursorTest, ATornSlotIsNotBeforeTheLog) {
  {
    auto cursor = open();
    ASSERT_TRUE(cursor->move(20).ok());
    ASSERT_TRUE(cursor->sync().ok());
    ASSERT_TRUE(cursor->move(30).ok());
  }
  oldest_ = 25;
  EXPECT_EQ(open()->next(), 30U);
  EXPECT_EQ(notices_.size(), 0U);
  std::string bytes = content("groups/default");
  CursorSlot newer;
  ASSERT_EQ(newest_slot(bytes, kCursorSlotDistance, newer), Decoded::ok);
  bytes[slot_offset(newer.counter, kCursorSlotDistance) + 40] ^= 1;
  set_content("groups/default", bytes);
  EXPECT_EQ(open()->next(), 25U);
  EXPECT_EQ(notices_.size(), 1U);
}

// Not where a new group begins, which may be the newest event.
TEST_F(LogCursorTest, ADamagedOrForeignCursorStartsAtTheOldestEventAndSaysSo) {
  ASSERT_TRUE(open().ok());
  oldest_ = 3;
  set_content("groups/default", std::string(10, 'x'));
  EXPECT_EQ(open("default", 50)->next(), 3U);
  EXPECT_EQ(notices_.size(), 1U);
  EXPECT_EQ(open("default", 50)->next(), 3U);
  EXPECT_EQ(notices_.size(), 1U);
  log_[0] = static_cast<std::uint8_t>(log_[0] + 1);
  oldest_ = 4;
  EXPECT_EQ(open("default", 50)->next(), 4U);
  EXPECT_EQ(notices_.size(), 2U);
}

TEST_F(LogCursorTest, AMoveByHandRepairsADamagedCursor) {
  { ASSERT_TRUE(open()->move(20).ok()); }
  const std::string whole = content("groups/default");
  for (const std::size_t size : {10U, 100U}) {
    set_content("groups/default", whole.substr(0, size));
    ASSERT_TRUE(move_group(*files_, log_, "default", 40).ok());
    EXPECT_FALSE(read_group(*files_, "default", false)->lacks_slot);
    EXPECT_EQ(open()->next(), 40U);
    EXPECT_EQ(notices(), "");
  }
}

TEST_F(LogCursorTest, NoCursorIsBehindTheEnd) {
  { ASSERT_TRUE(open()->move(5'000).ok()); }
  EXPECT_EQ(open()->next(), 100U);
  EXPECT_EQ(notices_.size(), 1U);
}

TEST_F(LogCursorTest, IsMovedAndRemovedOnlyWhileNobodyUsesIt) {
  {
    auto cursor = open();
    EXPECT_FALSE(move_group(*files_, log_, "default", 3).ok());
    EXPECT_FALSE(remove_group(*files_, "default").ok());
  }
  ASSERT_TRUE(move_group(*files_, log_, "default", 3).ok());
  EXPECT_EQ(open()->next(), 3U);
  EXPECT_FALSE(move_group(*files_, log_, "unknown", 3).ok());
  ASSERT_TRUE(remove_group(*files_, "default").ok());
  EXPECT_TRUE(list_groups(*files_)->empty());
  EXPECT_FALSE(remove_group(*files_, "default").ok());
}

// A log below knows by it that what it remembers of the group is void.
TEST_F(LogCursorTest, AMovedGroupCountsAsANewOne) {
  const std::uint64_t created = open()->created_ms();
  EXPECT_EQ(open()->created_ms(), created);
  const auto moved = move_group(*files_, log_, "default", [](std::optional<std::uint64_t> next) {
    EXPECT_EQ(next, std::optional<std::uint64_t>(7));
    return Result<std::uint64_t>(50);
  });
  ASSERT_TRUE(moved.ok());
  EXPECT_EQ(moved->from, 7U);
  EXPECT_EQ(moved->to, 50U);
  EXPECT_GT(open()->created_ms(), created);
  EXPECT_EQ(open()->next(), 50U);
}

TEST_F(LogCursorTest, NamesThatAreNoneAreRefused) {
  for (const char* name : {"", "a/b", ".lock", ".."}) {
    const auto cursor = open(name);
    ASSERT_FALSE(cursor.ok()) << name;
    EXPECT_EQ(cursor.error().kind, ErrorClass::usage);
  }
}

}  // namespace
}  // namespace fl
