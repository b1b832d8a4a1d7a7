#include "tools/fl-source/spool_tracker.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace fl {
namespace {

class SpoolTrackerTest : public testing::Test {
 protected:
  SpoolTrackerTest() {
    std::string name = testing::TempDir() + "fl-tracker-XXXXXX";
    path_ = ::mkdtemp(name.data());
    auto dir = LocalDir::open(path_, LocalDir::Missing::fail);
    dir_.emplace(std::move(*dir));
  }
  ~SpoolTrackerTest() override { std::filesystem::remove_all(path_); }

  std::string file() const { return path_ + "/" + SpoolTracker::kFileName; }
  std::string bytes() const {
    std::ostringstream out;
    out << std::ifstream(file(), std::ios::binary).rdbuf();
    return out.str();
  }
  void write(const std::string& bytes) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }
  std::optional<SpoolMark> load() const {
    auto mark = SpoolTracker(*dir_).load();
    EXPECT_TRUE(mark.ok());
    return mark.ok() ? *mark : std::nullopt;
  }

  std::string path_;
  std::optional<LocalDir> dir_;
};

// What Flume writes: two metadata keys, one record a block, a 16-byte marker after each.
std::string flume_file(const std::string& marker) {
  const std::string schema =
      R"({"type":"record","name":"TransferStateFileMeta","namespace":"org.apache.flume.serialization","fields":[{"name":"offset","type":"long"}]})";
  std::string out = std::string("Obj\x01\x04\x16", 6) + "avro.schema";
  const std::size_t length = schema.size() * 2;
  out += static_cast<char>((length & 0x7F) | 0x80);
  out += static_cast<char>(length >> 7);
  out += schema + std::string("\x08", 1) + "file" + std::string("\x24", 1) + "/tmp/x/spool/a.log";
  out += '\0';
  out += marker;
  out += std::string("\x02\x02\x1c", 3) + marker;  // offset 14
  out += std::string("\x02\x02\x38", 3) + marker;  // offset 28
  return out;
}

TEST_F(SpoolTrackerTest, ReadsFlumesFileAndTheLastRecordCounts) {
  write(flume_file("0123456789abcdef"));
  const auto mark = load();
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->file, "/tmp/x/spool/a.log");
  EXPECT_EQ(mark->offset, 28u);
  EXPECT_EQ(mark->size, -1);
}

TEST_F(SpoolTrackerTest, TornRecordsArePassedOverAtEveryByte) {
  const std::string whole = flume_file("0123456789abcdef");
  const std::size_t record = 3 + 16;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write(whole.substr(0, size));
    const auto mark = load();
    const std::size_t missing = whole.size() - size;
    if (missing == 0) {
      EXPECT_EQ(mark->offset, 28u);
    } else if (missing <= record) {
      ASSERT_TRUE(mark) << size;
      EXPECT_EQ(mark->offset, 14u);
    } else {
      EXPECT_FALSE(mark) << size;
    }
  }
}

TEST_F(SpoolTrackerTest, WritesTheSameStructureWithKeysOfOurs) {
  SpoolTracker tracker(*dir_);
  ASSERT_TRUE(tracker.store({"/s/a", 14, 99, 7}).ok());
  const std::string first = bytes();
  ASSERT_TRUE(tracker.store({"/s/a", 28, 99, 7}).ok());
  const std::string both = bytes();
  EXPECT_EQ(both.substr(0, first.size()), first);  // appended
  EXPECT_EQ(both.substr(first.size(), 3), std::string("\x02\x02\x38", 3));
  EXPECT_EQ(both.size(), first.size() + 3 + 16);
  EXPECT_EQ(both.substr(0, 6), std::string("Obj\x01\x08\x16", 6));
  EXPECT_EQ(both.find("avro.codec"), std::string::npos);
  const auto mark = load();
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->file, "/s/a");
  EXPECT_EQ(mark->offset, 28u);
  EXPECT_EQ(mark->size, 99);
  EXPECT_EQ(mark->mtime_ns, 7);
}

TEST_F(SpoolTrackerTest, AnotherFileStartsAnewAndRemoveForgets) {
  SpoolTracker tracker(*dir_);
  ASSERT_TRUE(tracker.store({"/s/a", 14}).ok());
  ASSERT_TRUE(tracker.store({"/s/b", 3}).ok());
  EXPECT_EQ(load()->file, "/s/b");
  ASSERT_TRUE(tracker.remove().ok());
  EXPECT_FALSE(load());
  ASSERT_TRUE(tracker.store({"/s/b", 4}).ok());
  EXPECT_EQ(load()->offset, 4u);
}

TEST_F(SpoolTrackerTest, StaysSmallAndAForeignLongOneIsReadFromItsEnd) {
  SpoolTracker tracker(*dir_);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(tracker.store({"/s/a", i * 1000}).ok());
  }
  EXPECT_EQ(load()->offset, 19'999'000u);
  EXPECT_LT(std::filesystem::file_size(file()), 70u << 10);

  std::string flume = flume_file("0123456789abcdef");
  for (int i = 0; i < 20'000; ++i) {
    flume += std::string("\x02\x02\x3c", 3) + "0123456789abcdef";  // offset 30
  }
  write(flume);
  EXPECT_EQ(load()->offset, 30u);
}

TEST_F(SpoolTrackerTest, GarbageCountsAsNothing) {
  write("this is no tracker at all, but long enough to look at");
  EXPECT_FALSE(load());
}

TEST_F(SpoolTrackerTest, WhatTheOffsetCountsInIsKept) {
  SpoolTracker tracker(*dir_);
  ASSERT_TRUE(tracker.store({"/x/a", 7, 100, 5, "gzip UTF-16LE"}).ok());
  EXPECT_EQ(load()->text, "gzip UTF-16LE");
  ASSERT_TRUE(tracker.store({"/x/a", 8, 100, 5, ""}).ok());
  EXPECT_EQ(load()->text, "");
  EXPECT_EQ(load()->offset, 8u);
}

}  // namespace
}  // namespace fl
