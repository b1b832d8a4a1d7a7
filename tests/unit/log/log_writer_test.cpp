// Writing a log, and opening it again after an end of any kind. Ends by power loss are those that
// can be made with the files alone; tests/log makes all of them.
#include "common/log/log_writer.h"

#include <algorithm>
#include <filesystem>

#include "common/log/crc32c.h"
#include "common/log/log_lock.h"
#include "common/log/retention.h"
#include "tests/unit/log/log_fixture.h"
#include "tests/unit/log/memory_files.h"

namespace fl {
namespace {

class LogWriterTest : public test::LogTest {};

// Types of statfs(2), from its page.
TEST(FileSystem, NetworkOnesAreRefusedBeforeAnythingIsMade) {
  const std::pair<std::int64_t, const char*> refused[] = {
      {0x6969, "(NFS)"},       {0x517B, "(SMB)"},      {0xFE534D42, "(SMB)"},
      {0xFF534D42, "(CIFS)"},  {0x65735546, "(FUSE)"}, {0x01021997, "(9p)"},
      {0x5346414F, "(AFS)"},   {0x00C36400, "(Ceph)"}, {0x73757245, "(Coda)"},
      {0x7461636F, "(OCFS2)"}, {0x01161970, "(GFS2)"}, {0x0BD00BD0, "(Lustre)"}};
  for (const auto& [type, name] : refused) {
    const auto machine = std::make_shared<MemoryMachine>();
    machine->file_system = type;
    MemoryFiles files(machine);
    bool full = false;
    const auto writer = LogWriter::open(files, {}, full);
    ASSERT_FALSE(writer.ok()) << name;
    EXPECT_EQ(writer.error().kind, ErrorClass::config) << name;
    EXPECT_NE(writer.error().message.find(name), std::string::npos) << writer.error().message;
    EXPECT_FALSE(full);
    EXPECT_TRUE(machine->disk->directory("")->now.empty()) << name;
  }
  // ext, XFS, btrfs, tmpfs, overlayfs
  constexpr std::int64_t kLocal[] = {0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630};
  for (const std::int64_t type : kLocal) {
    const auto machine = std::make_shared<MemoryMachine>();
    machine->file_system = type;
    MemoryFiles files(machine);
    EXPECT_TRUE(check_file_system(files).ok()) << type;
    bool full = false;
    EXPECT_TRUE(LogWriter::open(files, {}, full).ok()) << type;
  }
}

// Each call that may find no room, one after the other.
TEST(FullDisk, ALogIsMadeByTheNextTryOnceThereIsRoom) {
  int failed = 0;
  for (int at = 0; at == failed; ++at) {
    const auto machine = std::make_shared<MemoryMachine>();
    int calls = 0;
    std::string where;
    machine->plan = [&](Call call, const std::string& name) {
      // The holder's text in the lock is for people.
      const bool takes_room = call == Call::open || call == Call::mkdir || call == Call::rename ||
                              (call == Call::pwritev && name != kLockName);
      // What is only looked for is not made.
      const bool makes = takes_room && !(call == Call::open && name == kHeadName);
      if (!makes || calls++ != at) {
        return CallFault{};
      }
      where = std::string(kCallNames[static_cast<std::size_t>(call)]) + " " + name;
      return CallFault{ENOSPC};
    };
    MemoryFiles files(machine);
    bool full = false;
    auto writer = LogWriter::open(files, {}, full);
    if (where.empty()) {
      EXPECT_TRUE(writer.ok());
      break;  // no call is left
    }
    ++failed;
    EXPECT_FALSE(writer.ok()) << where;
    EXPECT_TRUE(full) << where << ": " << writer.error().message;
    machine->plan = nullptr;
    writer = LogWriter::open(files, {}, full);
    EXPECT_TRUE(writer.ok()) << where << ": " << writer.error().message;
    EXPECT_FALSE(full) << where;
  }
  EXPECT_GT(failed, 8);
}

/// A file whose first sync fails; all later ones succeed.
class FailsOnce final : public LogFile {
 public:
  FailsOnce(std::unique_ptr<LogFile> file, int& syncs) : file_(std::move(file)), syncs_(syncs) {}
  std::int64_t pread(void* to, std::size_t size, std::uint64_t offset) override {
    return file_->pread(to, size, offset);
  }
  std::int64_t pwritev(std::span<const iovec> parts, std::uint64_t offset) override {
    return file_->pwritev(parts, offset);
  }
  int fdatasync() override { return syncs_++ == 0 ? -EIO : file_->fdatasync(); }
  int ftruncate(std::uint64_t size) override { return file_->ftruncate(size); }
  std::int64_t size() override { return file_->size(); }
  int lock(Lock how) override { return file_->lock(how); }

 private:
  const std::unique_ptr<LogFile> file_;
  int& syncs_;
};

TEST_F(LogWriterTest, WhatIsSyncedIsReadAndNothingElse) {
  const auto writer = open_writer();
  put(*writer, 10);
  EXPECT_EQ(take_all(), "");
  EXPECT_EQ(writer->safe_sequence(), 0U);
  sync(*writer);
  EXPECT_EQ(writer->safe_sequence(), 10U);
  put(*writer, 5);
  EXPECT_EQ(take_all(), "0-9");
  sync(*writer);
  EXPECT_EQ(take_all(), "0-14");
  EXPECT_EQ(notices(), "");
}

TEST_F(LogWriterTest, SmallSyncsFindRoomInTheSegment) {
  const std::string file = dir_.path() + "/log/" + segment_name(0);
  auto writer = open_writer();
  for (int i = 0; i < 3; ++i) {
    put(*writer, 10);
    sync(*writer);
  }
  EXPECT_EQ(std::filesystem::file_size(file), writer->segment_bytes());
  put(*writer, 10);
  sync(*writer);
  const std::uint64_t end = std::filesystem::file_size(file);
  EXPECT_EQ(end, writer->segment_bytes() + (1 << 20));
  put(*writer, 10);
  LogWriter::Sync under_way = writer->begin_sync(false);
  put(*writer, 10);
  ASSERT_TRUE(writer->run_sync(under_way).ok());
  writer->finish_sync(under_way);
  sync(*writer);
  EXPECT_EQ(std::filesystem::file_size(file), end) << "the room is used before more is made";
  while (writer->segment_bytes() <= end) {
    put(*writer, 500);
    sync(*writer);
  }
  EXPECT_EQ(std::filesystem::file_size(file), writer->segment_bytes() + (1 << 20));
  const std::uint64_t last = writer->next_sequence();
  writer = nullptr;
  writer = open_writer();  // the room is not a torn tail, and it is written into
  EXPECT_EQ(writer->next_sequence(), last);
  put(*writer, 10);
  sync(*writer);
  EXPECT_EQ(take_all(), "0-" + std::to_string(last + 9));
  ASSERT_GT(std::filesystem::file_size(file), writer->segment_bytes());
  ASSERT_TRUE(writer->close().ok());
  EXPECT_EQ(std::filesystem::file_size(file), writer->segment_bytes()) << "none is left over";
  EXPECT_EQ(notices(), "");
}

TEST_F(LogWriterTest, RoomEndsWithTheSegment) {
  const auto writer = open_writer(64 << 10);
  for (int i = 0; i < 4; ++i) {
    put(*writer, 10);
    sync(*writer);
  }
  EXPECT_EQ(std::filesystem::file_size(dir_.path() + "/log/" + segment_name(0)), 64U << 10);
}

TEST_F(LogWriterTest, LargeSyncsMakeNoRoom) {
  const auto writer = open_writer();
  for (int i = 0; i < 8; ++i) {
    for (std::uint64_t from = writer->segment_bytes();
         writer->segment_bytes() < from + (300 << 10);) {
      put(*writer, 1'000);
    }
    sync(*writer);
  }
  EXPECT_EQ(std::filesystem::file_size(dir_.path() + "/log/" + segment_name(0)),
            writer->segment_bytes());
}

TEST_F(LogWriterTest, ASyncIsOnlyAboutWhatWasThereWhenItBegan) {
  const auto writer = open_writer();
  put(*writer, 10);
  LogWriter::Sync sync = writer->begin_sync(false);
  put(*writer, 5);
  ASSERT_TRUE(writer->run_sync(sync).ok());
  writer->finish_sync(sync);
  EXPECT_EQ(writer->safe_sequence(), 10U);
  EXPECT_EQ(take_all(), "0-9");
  EXPECT_TRUE(writer->has_unsynced());
}

TEST_F(LogWriterTest, AFailedSyncIsNotTriedAgain) {
  const auto writer = open_writer();
  put(*writer, 10);
  LogWriter::Sync sync = writer->begin_sync(false);
  int syncs = 0;
  sync.segment->file = std::make_unique<FailsOnce>(std::move(sync.segment->file), syncs);
  EXPECT_EQ(writer->run_sync(sync).error().kind, ErrorClass::io);
  LogWriter::Sync again = writer->begin_sync(false);
  EXPECT_EQ(writer->run_sync(again).error().kind, ErrorClass::io);
  EXPECT_FALSE(writer->close().ok());
  EXPECT_EQ(syncs, 1);
  EXPECT_EQ(writer->safe_sequence(), 0U);
  EXPECT_EQ(take_all(), "");
}

TEST_F(LogWriterTest, SegmentsAreNamedByTheirFirstEvent) {
  const auto writer = open_writer(20'000);
  for (int i = 0; i < 40; ++i) {
    put(*writer, 25);
    sync(*writer);
  }
  EXPECT_EQ(take_all(), "0-999");
  const std::string names = segments();
  EXPECT_EQ(names.substr(0, 2), "0 ");
  EXPECT_GE(std::count(names.begin(), names.end(), ' '), 2);
  for (const std::uint64_t first : writer->segments()) {
    EXPECT_LE(content(segment_name(first)).size(), 20'000U);
  }
}

TEST_F(LogWriterTest, ARecordLargerThanASegmentHasOneOfItsOwn) {
  const auto writer = open_writer(8'000);
  put(*writer, 3);
  put(*writer, 700);
  put(*writer, 3);
  sync(*writer);
  EXPECT_EQ(segments(), "0 3 703");
  EXPECT_EQ(take_all(), "0-705");
}

TEST_F(LogWriterTest, ASegmentTakesNoBlockWhenItHasEnoughEvents) {
  LogWriter::Settings settings;
  settings.segment_events = 10;
  bool full = false;
  const auto writer = LogWriter::open(*files_, settings, full);
  ASSERT_TRUE(writer.ok());
  for (int i = 0; i < 9; ++i) {
    put(**writer, 4);
  }
  put(**writer, 30);
  put(**writer, 1);
  sync(**writer);
  EXPECT_EQ(segments(), "0 12 24 36 66");
  EXPECT_EQ(take_all(), "0-66");
}

TEST_F(LogWriterTest, AClosedLogIsGoneOnWithInTheSameSegment) {
  auto writer = open_writer();
  put(*writer, 10);
  ASSERT_TRUE(writer->close().ok());
  writer = nullptr;
  writer = open_writer();
  EXPECT_EQ(writer->next_sequence(), 10U);
  put(*writer, 10);
  sync(*writer);
  EXPECT_EQ(take_all(), "0-19");
  EXPECT_EQ(segments(), "0");
  EXPECT_EQ(notices(), "");
}

TEST_F(LogWriterTest, WhatWasWrittenAndNotSyncedIsCopiedToAnotherSegment) {
  auto writer = open_writer();
  put(*writer, 10);
  sync(*writer);
  put(*writer, 20);
  put(*writer, 30);
  writer = nullptr;  // killed
  EXPECT_EQ(take_all(), "0-9");
  writer = open_writer();
  EXPECT_EQ(writer->next_sequence(), 60U);
  EXPECT_EQ(writer->safe_sequence(), 60U);
  EXPECT_EQ(segments(), "0 10");
  EXPECT_EQ(take_all(), "0-59");
  put(*writer, 1);
  sync(*writer);
  writer = nullptr;
  writer = open_writer();
  EXPECT_EQ(take_all(), "0-60");
  EXPECT_EQ(notices(), "");
}

TEST_F(LogWriterTest, NothingDurableInTheSegmentMeansThatTheCopyTakesItsPlace) {
  auto writer = open_writer();
  put(*writer, 10);
  writer = nullptr;
  LogReader reader = open_reader();
  writer = open_writer();
  EXPECT_EQ(segments(), "0");
  ASSERT_TRUE(reader.refresh().ok());
  EXPECT_EQ(take(reader), "0-9");
}

// The slot that is on disk may be from before the copy: what it says has to hold in the copy, too.
TEST_F(LogWriterTest, ACopyThatNoSlotNamesYetIsReadByTheOldSlot) {
  auto writer = open_writer();
  for (const char* table : {"one", "two", "three"}) {
    ASSERT_TRUE(writer->append_positions(table).ok());
    sync(*writer);
  }
  ASSERT_TRUE(writer->close().ok());
  writer = nullptr;
  const std::string head = content(kHeadName);
  writer = open_writer();
  put(*writer, 10);
  put(*writer, 10);
  sync(*writer);
  // Twice a power loss that takes the head back.
  for (int i = 0; i < 2; ++i) {
    writer = nullptr;
    set_content(kHeadName, head);
    writer = open_writer();
    EXPECT_EQ(writer->next_sequence(), 20U);
    EXPECT_EQ(writer->positions(), "three");
    EXPECT_EQ(take_all(), "0-19");
  }
  EXPECT_EQ(notices(), "");
}

// The tail needs room for its copy, and only a writer frees segments: opening does, one by one.
TEST_F(LogWriterTest, WhatNoGroupNeedsMakesRoomForOpening) {
  const auto machine = std::make_shared<MemoryMachine>();
  files_ = std::make_unique<MemoryFiles>(machine);
  auto writer = open_writer(1'000);
  while (writer->next_sequence() < 50) {
    put(*writer, 10);
  }
  sync(*writer);
  LogCursor::Settings settings;
  settings.log = writer->log();
  settings.durable_sequence = 50;
  settings.start = [] { return Result<std::uint64_t>(50); };
  { ASSERT_TRUE(LogCursor::open(*files_, settings).ok()); }
  put(*writer, 1);  // not synced
  writer = nullptr;
  const auto before = *list_segments(*files_);
  ASSERT_GT(before.size(), 3U);
  int needed = 2;
  machine->watch = [&](Call call, const std::string& name, bool done) {
    needed -= done && call == Call::unlink && name.ends_with(".seg") ? 1 : 0;
  };
  machine->plan = [&](Call call, const std::string& name) {
    const bool is_copy = call == Call::pwritev && name.ends_with(".tmp");
    return is_copy && needed > 0 ? CallFault{ENOSPC} : CallFault();
  };
  writer = open_writer(1'000);
  ASSERT_NE(writer, nullptr);
  EXPECT_EQ(writer->next_sequence(), 51U);
  EXPECT_EQ(list_segments(*files_)->front(), before[2]);
  writer = nullptr;
  // What a group needs stays, and the disk is waited for.
  ASSERT_TRUE(move_group(*files_, settings.log, "default", before[2]).ok());
  machine->disk->file(segment_name(before.back()))->change({5'000, "torn", false});
  needed = 1;
  bool full = false;
  const auto waits = LogWriter::open(*files_, {}, full);
  EXPECT_TRUE(full && !waits.ok());
  EXPECT_EQ(list_segments(*files_)->front(), before[2]);
}

// Its number says nothing about this log, and its next taker begins at the oldest event.
TEST_F(LogWriterTest, AGroupThatBelongsToAnotherLogNeedsEverything) {
  auto writer = open_writer(1'000);
  while (writer->next_sequence() < 50) {
    put(*writer, 10);
  }
  sync(*writer);
  LogCursor::Settings cursor;
  cursor.durable_sequence = 50;
  cursor.start = [] { return Result<std::uint64_t>(50); };
  { ASSERT_TRUE(LogCursor::open(*files_, cursor).ok()); }
  RetentionSettings settings;
  settings.log = writer->log();
  const auto use = free_segments(*files_, writer->segments(), settings);
  ASSERT_TRUE(use.ok());
  EXPECT_EQ(use->segments_freed, 0U);
  EXPECT_EQ(use->slowest, "default");
  EXPECT_EQ(use->needed, 0U);
  settings.log = cursor.log;
  EXPECT_GT(free_segments(*files_, writer->segments(), settings)->segments_freed, 0U);
}

TEST_F(LogWriterTest, ATornTailIsSetAsideAndReported) {
  auto writer = open_writer();
  put(*writer, 10);
  sync(*writer);
  put(*writer, 10);
  put(*writer, 10);
  writer = nullptr;
  const std::string name = segment_name(0);
  std::string bytes = content(name);
  bytes.resize(bytes.size() - 17);
  set_content(name, bytes);
  writer = open_writer();
  EXPECT_EQ(writer->next_sequence(), 20U);
  EXPECT_EQ(take_all(), "0-19");
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_EQ(notices_[0].kind, LogNotice::Kind::torn_tail);
  EXPECT_NE(notices().find("quarantine/00000000000000000020-"), std::string::npos) << notices();
  put(*writer, 5);
  sync(*writer);
  writer = nullptr;
  writer = open_writer();
  EXPECT_EQ(take_all(), "0-24");
  EXPECT_EQ(notices_.size(), 1U);  // reported once
}

// At whatever length the last segment is cut, whole records stay and the log can be written.
TEST_F(LogWriterTest, ACutAtEachLengthKeepsWholeRecords) {
  auto writer = open_writer();
  // Where the payloads of three records end; the padding after them is not missed.
  std::vector<std::size_t> ends;
  for (int i = 0; i < 3; ++i) {
    const std::size_t at = content(segment_name(0)).size();
    put(*writer, 3);
    const std::string bytes = content(segment_name(0));
    ends.push_back(at + kRecordHeaderBytes + static_cast<unsigned char>(bytes[at + 4]) +
                   std::uint64_t{256} * static_cast<unsigned char>(bytes[at + 5]));
    if (i == 0) {
      sync(*writer);
    }
  }
  writer = nullptr;
  const std::string whole = content(segment_name(0));
  const std::string head = content(kHeadName);
  for (std::size_t size = 0; size <= whole.size(); size += size == 64 ? 4000 : 1) {
    std::filesystem::remove(path(segment_name(3)));
    set_content(segment_name(0), whole.substr(0, size));
    set_content(kHeadName, head);
    notices_.clear();
    writer = open_writer();
    ASSERT_TRUE(writer);
    const std::uint64_t kept = size >= ends[2] ? 9 : size >= ends[1] ? 6 : 3;
    ASSERT_EQ(writer->next_sequence(), kept) << size;
    put(*writer, 1);
    sync(*writer);
    writer = nullptr;
    if (size >= ends[0]) {
      ASSERT_EQ(take_all(), "0-" + std::to_string(kept)) << size;
    } else {
      ASSERT_EQ(take_all(), "gap 0-2 3-3") << size;
      ASSERT_FALSE(notices_.empty());
    }
  }
}

TEST_F(LogWriterTest, AnOlderSlotFindsTheSameEnd) {
  auto writer = open_writer(20'000);
  std::vector<std::string> heads;
  for (int i = 0; i < 40; ++i) {
    put(*writer, 25);
    sync(*writer);
    heads.push_back(content(kHeadName));
  }
  writer = nullptr;
  // Any of these may be what is on disk, as long as no later segment has its name.
  const std::size_t segment_count = list_segments(*files_)->size();
  ASSERT_GE(segment_count, 3U);
  set_content(kHeadName, heads[heads.size() - 2]);
  writer = open_writer(20'000);
  EXPECT_EQ(writer->next_sequence(), 1000U);
  EXPECT_EQ(take_all(), "0-999");
  EXPECT_EQ(notices(), "");
}

TEST_F(LogWriterTest, WithoutAHeadTheLastSegmentIsLookedThrough) {
  auto writer = open_writer(20'000);
  for (int i = 0; i < 40; ++i) {
    put(*writer, 25);
    sync(*writer);
  }
  const LogId log = writer->log();
  for (const bool is_missing : {false, true}) {
    writer = nullptr;
    if (is_missing) {
      std::filesystem::remove(path(kHeadName));
    } else {
      set_content(kHeadName, std::string(100, 'x'));
    }
    notices_.clear();
    writer = open_writer();
    EXPECT_EQ(writer->next_sequence(), 1000U);
    EXPECT_EQ(writer->log(), log);
    EXPECT_EQ(take_all(), "0-999");
    EXPECT_EQ(notices_.size(), 1U) << notices();
    EXPECT_EQ(content(kHeadName).size(), kHeadBytes);
  }
}

TEST_F(LogWriterTest, NumbersAreNotGivenTwiceWhenTheSegmentsAreGone) {
  auto writer = open_writer();
  put(*writer, 10);
  sync(*writer);
  writer = nullptr;
  std::filesystem::remove(path(segment_name(0)));
  writer = open_writer();
  EXPECT_EQ(writer->next_sequence(), 10U);
  put(*writer, 2);
  sync(*writer);
  EXPECT_EQ(take_all(), "gap 0-9 10-11");
}

TEST_F(LogWriterTest, ASecondWriterHearsWhoTheFirstIs) {
  const auto writer = open_writer();
  bool full = false;
  const auto second = LogWriter::open(*files_, {}, full);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorClass::again);
  EXPECT_NE(second.error().message.find("is written by process " + std::to_string(getpid())),
            std::string::npos)
      << second.error().message;
}

TEST_F(LogWriterTest, ALaterVersionIsRefusedAndNotChanged) {
  auto writer = open_writer();
  put(*writer, 10);
  ASSERT_TRUE(writer->close().ok());
  writer = nullptr;
  std::string segment = content(segment_name(0));
  segment[8] = 2;
  std::string header = segment.substr(0, 64);
  std::string covered = header.substr(0, 12) + header.substr(16);
  const std::uint32_t crc = masked_crc(crc32c(0, covered.data(), covered.size()));
  for (std::size_t i = 0; i < 4; ++i) {
    segment[12 + i] = static_cast<char>(crc >> (8 * i));
  }
  set_content(segment_name(0), segment);
  bool full = false;
  const auto opened = LogWriter::open(*files_, {}, full);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, ErrorClass::config);
  EXPECT_EQ(content(segment_name(0)), segment);
}

TEST_F(LogWriterTest, PositionsGoOnThroughSegmentsAndEnds) {
  auto writer = open_writer(20'000);
  put(*writer, 3);
  ASSERT_TRUE(writer->append_positions("first").ok());
  ASSERT_TRUE(writer->append_positions("second").ok());
  for (int i = 0; i < 20; ++i) {
    put(*writer, 25);
    sync(*writer);
  }
  EXPECT_EQ(writer->positions(), "second");
  EXPECT_GE(writer->segments().size(), 2U);
  writer = nullptr;  // killed
  writer = open_writer(20'000);
  EXPECT_EQ(writer->positions(), "second");
  ASSERT_TRUE(writer->append_positions("third").ok());
  put(*writer, 3);
  writer = nullptr;
  writer = open_writer(20'000);
  EXPECT_EQ(writer->positions(), "third");
  EXPECT_EQ(take_all(), "0-505");
}

// What is not whole any more cannot count; an older table only makes events come again.
TEST_F(LogWriterTest, DamagedPositionsAreReportedAndTheOnesBeforeThemCount) {
  auto writer = open_writer();
  put(*writer, 3, "first");
  sync(*writer);
  for (const char* table : {"second", "third"}) {
    put(*writer, 3, table);
    sync(*writer);
  }
  put(*writer, 3);
  ASSERT_TRUE(writer->close().ok());
  const std::uint64_t third = writer->durable().positions_offset;
  writer = nullptr;
  std::string bytes = content(segment_name(0));
  bytes[third + kRecordHeaderBytes] ^= 1;
  set_content(segment_name(0), bytes);
  for (int i = 0; i < 2; ++i) {
    writer = open_writer();
    EXPECT_EQ(writer->positions(), "second");
    EXPECT_EQ(writer->next_sequence(), 12U);
    ASSERT_EQ(notices_.size(), 1U) << notices();  // reported once
    writer = nullptr;
  }
  EXPECT_NE(notices().find("at " + std::to_string(third) + " of " + segment_name(0)),
            std::string::npos)
      << notices();
  EXPECT_NE(notices().find("kept in 'quarantine/"), std::string::npos) << notices();
  EXPECT_NE(notices().find("older ones are used"), std::string::npos) << notices();
  EXPECT_EQ(take_all(), "0-11");
}

TEST_F(LogWriterTest, DamagedPositionsOfASegmentAreReplacedByThoseOfTheSegmentBefore) {
  auto writer = open_writer(20'000);
  put(*writer, 3, "first");
  while (writer->segments().size() < 3) {
    put(*writer, 25);
    sync(*writer);
  }
  const std::uint64_t last = writer->segments().back();
  ASSERT_EQ(writer->durable().positions_offset, kSegmentHeaderBytes);
  const std::uint64_t next = writer->next_sequence();
  writer = nullptr;  // killed
  std::string bytes = content(segment_name(last));
  bytes[kSegmentHeaderBytes + kRecordHeaderBytes] ^= 1;
  set_content(segment_name(last), bytes);
  for (int i = 0; i < 2; ++i) {
    writer = open_writer(20'000);
    EXPECT_EQ(writer->positions(), "first");
    EXPECT_EQ(notices_.size(), 1U) << notices();
    writer = nullptr;
  }
  const auto segments = list_segments(*files_);
  for (const std::uint64_t first : *segments) {
    if (first < last) {
      std::filesystem::remove(path(segment_name(first)));
    }
  }
  EXPECT_EQ(take_all(last), std::to_string(last) + "-" + std::to_string(next - 1));
}

TEST_F(LogWriterTest, WithoutOlderPositionsThereAreNone) {
  auto writer = open_writer();
  put(*writer, 3, "first");
  ASSERT_TRUE(writer->close().ok());
  const std::uint64_t at = writer->durable().positions_offset;
  writer = nullptr;
  std::string bytes = content(segment_name(0));
  bytes[at + 4] ^= 1;  // its length
  set_content(segment_name(0), bytes);
  writer = open_writer();
  EXPECT_EQ(writer->positions(), "");
  EXPECT_NE(notices().find("there are no older ones"), std::string::npos) << notices();
  EXPECT_EQ(take_all(), "0-2");
}

// A kill in the middle of the write may leave any part of it.
TEST_F(LogWriterTest, ABlockAndItsPositionsAreThereTogetherOrNotAtAll) {
  auto writer = open_writer();
  put(*writer, 3, "first");
  sync(*writer);
  const std::size_t start = content(segment_name(0)).size();
  put(*writer, 4, "second");
  const std::size_t middle = content(segment_name(0)).size();
  put(*writer, 5, "third");
  put(*writer, 1);
  writer = nullptr;  // killed
  const std::string whole = content(segment_name(0));
  const std::string head = content(kHeadName);
  const std::size_t last = whole.size() - record_bytes(body_of(12).size() + 2);
  const std::size_t padding = padded(5) - 5;  // is not missed
  for (std::size_t size = start; size <= whole.size(); ++size) {
    std::filesystem::remove(path(segment_name(3)));
    set_content(segment_name(0), whole.substr(0, size));
    set_content(kHeadName, head);
    writer = open_writer();
    ASSERT_TRUE(writer);
    const bool has_second = size + padded(6) - 6 >= middle;
    const bool has_third = size + padding >= last;
    const bool has_all = writer->next_sequence() == 13;
    ASSERT_TRUE(!has_all || size > last) << size;
    ASSERT_EQ(writer->next_sequence(), has_all      ? 13U
                                       : has_third  ? 12U
                                       : has_second ? 7U
                                                    : 3U)
        << size;
    ASSERT_EQ(writer->positions(), has_third ? "third" : has_second ? "second" : "first") << size;
    writer = nullptr;
  }
}

TEST_F(LogWriterTest, ARollDoesNotComeBetweenABlockAndItsPositions) {
  auto writer = open_writer(8'000);
  const std::string table(3'000, 'p');
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t before = writer->next_sequence();
    put(*writer, 20, table + std::to_string(i));
    EXPECT_EQ(writer->positions(), table + std::to_string(i));
    EXPECT_LE(writer->segments().back(), before);
    sync(*writer);
    writer = nullptr;
    writer = open_writer(8'000);
    EXPECT_EQ(writer->positions(), table + std::to_string(i));
  }
  EXPECT_EQ(take_all(), "0-799");
  EXPECT_EQ(notices(), "");
}

TEST_F(LogWriterTest, APackedLogIsShorterAndReadsTheSame) {
  auto writer = open_writer();
  put(*writer, 1);  // stays as it is: it would not become shorter
  put(*writer, 100);
  ASSERT_TRUE(writer->close().ok());
  const std::size_t plain = content(segment_name(0)).size();
  codec_ = PayloadCodec::zstd;
  writer = nullptr;
  writer = open_writer();
  put(*writer, 1);
  for (int i = 0; i < 9; ++i) {
    put(*writer, 100, "at " + std::to_string(i));
  }
  sync(*writer);
  EXPECT_LT(content(segment_name(0)).size(), plain * 4);
  EXPECT_EQ(take_all(), "0-1001");
  EXPECT_EQ(take_all(150), "150-1001");  // in the middle of a packed block
  put(*writer, 100);
  writer = nullptr;  // killed: the tail is copied as it is
  codec_ = PayloadCodec::none;
  writer = open_writer();
  put(*writer, 3);
  sync(*writer);
  EXPECT_EQ(take_all(), "0-1104");
  EXPECT_EQ(notices(), "");
}

// The checksum holds, but what it is about cannot be unpacked, or would fill the memory.
TEST_F(LogWriterTest, AFrameThatCannotBeUnpackedCostsItsRecord) {
  GapBuffer packed(0, 0);
  const auto compressor = open_compressor({BlockCodec::zstandard, 1});
  ASSERT_TRUE(compressor.ok());
  ASSERT_TRUE((*compressor)->compress(std::string(kMaxPayload + 1, 'x'), packed).ok());
  const std::string bomb(packed.view());  // unpacks to more than a record may have
  for (const std::string& frame : {std::string("no frame at all"), bomb}) {
    std::filesystem::remove_all(path(""));
    reopen_files();
    notices_.clear();
    codec_ = PayloadCodec::zstd;
    auto writer = open_writer();
    put(*writer, 20);
    const std::size_t at = content(segment_name(0)).size();
    put(*writer, 20);
    put(*writer, 20);
    sync(*writer);
    std::string bytes = content(segment_name(0));
    RecordHeader header;
    ASSERT_TRUE(decode(reinterpret_cast<const std::uint8_t*>(bytes.data()) + at, header));
    const std::uint64_t rest = at + record_bytes(header.length);
    header.length = static_cast<std::uint32_t>(frame.size());
    std::string record(kRecordHeaderBytes, '\0');
    encode(header, frame, reinterpret_cast<std::uint8_t*>(record.data()));
    record += frame;
    record.resize(record_bytes(frame.size()));
    const std::int64_t moved = static_cast<std::int64_t>(record_bytes(frame.size())) -
                               static_cast<std::int64_t>(rest - at);
    bytes.replace(at, rest - at, record);
    HeadSlot slot = writer->durable();
    writer = nullptr;
    set_content(segment_name(0), bytes);
    slot.durable_offset =
        static_cast<std::uint64_t>(static_cast<std::int64_t>(slot.durable_offset) + moved);
    auto head = HeadFile::open(*files_, LogFiles::Open::write);
    ASSERT_TRUE(head.ok());
    ASSERT_TRUE(head->publish(slot).ok());
    EXPECT_EQ(take_all(), "0-19 gap 20-39 40-59");
    EXPECT_NE(notices().find("cannot be unpacked"), std::string::npos) << notices();
  }
}

// What is synced into a file without a name is gone when the writer ends.
TEST_F(LogWriterTest, NothingIsDurableInARemovedFile) {
  for (const std::string& name : {std::string(kHeadName), segment_name(0)}) {
    auto writer = open_writer();
    put(*writer, 10);
    sync(*writer);
    std::filesystem::remove(path(name));
    put(*writer, 10);
    LogWriter::Sync sync = writer->begin_sync(false);
    const Status status = writer->run_sync(sync);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().kind, ErrorClass::io);
    EXPECT_NE(status.error().message.find(name), std::string::npos) << status.error().message;
    EXPECT_EQ(writer->safe_sequence(), 10U);
    EXPECT_FALSE(writer->close().ok());
    writer.reset();
    std::filesystem::remove_all(path(""));
    reopen_files();
  }
}

}  // namespace
}  // namespace fl
