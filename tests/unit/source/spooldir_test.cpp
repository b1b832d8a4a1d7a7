#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/stage/stage_options.h"
#include "tests/unit/component_options.h"

namespace fl {
ComponentType spooldir_source();

namespace {

namespace fs = std::filesystem;

class SpooldirTest : public testing::Test {
 protected:
  SpooldirTest() : type_(spooldir_source()) {
    std::string name = testing::TempDir() + "fl-spool-XXXXXX";
    dir_ = ::mkdtemp(name.data());
  }
  ~SpooldirTest() override { fs::remove_all(dir_); }

  /// Files get ascending times, so that the order is that of the calls.
  void put(const std::string& name, const std::string& content) {
    fs::create_directories(fs::path(dir_ + "/" + name).parent_path());
    std::ofstream(dir_ + "/" + name, std::ios::binary) << content;
    const timespec times[2] = {{1'000'000 + ++puts_, 0}, {1'000'000 + puts_, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ + "/" + name).c_str(), times, 0), 0);
  }
  bool exists(const std::string& name) const { return fs::exists(dir_ + "/" + name); }

  std::unique_ptr<Source> make(test::Settings settings = {}) {
    settings.insert(settings.begin(), {{"spoolDir", dir_}, {"once", "true"}});
    return type_.source(test::options_of(type_, settings));
  }
  std::unique_ptr<Source> opened(test::Settings settings = {}) {
    auto source = make(std::move(settings));
    context_.text = &text_;
    const Status status = source->open(context_);
    EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
    return source;
  }
  /// All bodies; blocks are of at most `block` bytes.
  std::vector<std::string> all(Source& source, std::size_t block = 64 << 10) {
    std::vector<std::string> bodies;
    BlockBuilder out(block);
    for (;;) {
      const auto state = source.produce(out);
      EXPECT_TRUE(state.ok());
      Batch batch;
      test::fill(batch, out.block());
      for (std::size_t i = 0; i < batch.size(); ++i) {
        bodies.emplace_back(batch[i].body());
        headers_.push_back(headers_of(batch[i]));
      }
      out.clear();
      if (!state.ok() || *state != Source::State::more) {
        last_ = state.ok() ? *state : Source::State::end;
        return bodies;
      }
    }
  }

  ComponentType type_;
  std::string dir_;
  int puts_ = 0;
  StageContext context_;
  TextOptions text_;
  std::vector<Headers> headers_;
  Source::State last_ = Source::State::more;
};

using Bodies = std::vector<std::string>;

TEST_F(SpooldirTest, FilesAreRenamedWhenTheirLastEventIsAcknowledged) {
  put("a", "1\n2\r\n3");
  put("empty", "");
  put("b", "4\n");
  auto source = opened();
  EXPECT_EQ(all(*source), (Bodies{"1", "2\r", "3", "", "4"}));
  EXPECT_EQ(last_, Source::State::end);
  ASSERT_TRUE(source->acked(2).ok());
  EXPECT_TRUE(exists("a"));
  ASSERT_TRUE(source->acked(3).ok());
  EXPECT_TRUE(exists("a.COMPLETED"));
  EXPECT_FALSE(exists("a"));
  EXPECT_TRUE(exists("empty"));
  ASSERT_TRUE(source->acked(5).ok());
  EXPECT_TRUE(exists("empty.COMPLETED"));
  EXPECT_TRUE(exists("b.COMPLETED"));
  EXPECT_TRUE(source->close().ok());
  EXPECT_EQ(source->summary(), "3 files, 5 events, 0 left");
  EXPECT_FALSE(exists(".flumespool/.flumespool-main.meta"));
}

TEST_F(SpooldirTest, AcknowledgedBeforeTheEndOfTheFileIsSeen) {
  put("a", "1\n2\n");
  auto source = opened();
  BlockBuilder out(4);  // one event fits, and the next call finds the second
  ASSERT_EQ(*source->produce(out), Source::State::more);
  out.clear();
  ASSERT_TRUE(source->acked(1).ok());
  ASSERT_EQ(*source->produce(out), Source::State::end);
  ASSERT_TRUE(source->acked(2).ok());
  EXPECT_TRUE(exists("a.COMPLETED"));
}

// Whatever part was acknowledged when a run ended, the next run begins at the next event.
TEST_F(SpooldirTest, EveryInterruptionIsTakenUpAtTheRightEvent) {
  Bodies expected;
  std::string content;
  for (int i = 0; i < 40; ++i) {
    expected.push_back(std::string(static_cast<std::size_t>(i) * 7 % 23, 'x') + std::to_string(i));
    content += expected.back() + "\n";
  }
  for (const char* mode : {"split", "truncate", "reject"}) {
    text_.long_line = mode;
    for (const std::uint64_t limit : {1'000u, 9u}) {
      text_.max_line = Bytes{limit};
      fs::remove_all(dir_);
      put("a", content);
      const Bodies whole = all(*opened());
      for (const std::size_t block : {30u, 200u, 5'000u}) {
        for (std::uint64_t n = 0; n <= whole.size(); ++n) {
          fs::remove_all(dir_);
          put("a", content);
          {
            auto source = opened();
            EXPECT_EQ(all(*source, block), whole);
            ASSERT_TRUE(source->acked(n / 2).ok());
            ASSERT_TRUE(source->acked(n).ok());
            source->stop();
            const Status closed = source->close();
            if (n < whole.size()) {
              ASSERT_FALSE(closed.ok());
              EXPECT_EQ(closed.error().kind, ErrorClass::again);
            }
          }
          auto source = opened();
          const auto from = whole.begin() + static_cast<std::ptrdiff_t>(n);
          ASSERT_EQ(all(*source), Bodies(from, whole.end())) << mode << limit << " " << n;
        }
      }
    }
  }
}

TEST_F(SpooldirTest, ProgressIsThatOfTheOldestFileNotAcknowledged) {
  put("a", "1\n2\n");
  put("b", "3\n4\n5\n");
  {
    auto source = opened();
    EXPECT_EQ(all(*source).size(), 5u);
    ASSERT_TRUE(source->acked(3).ok());
  }
  put("c", "6\n");
  const timespec old[2] = {{1, 0}, {1, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ + "/c").c_str(), old, 0), 0);  // older than b
  EXPECT_EQ(all(*opened()), (Bodies{"4", "5", "6"}));                  // what was begun is first
}

TEST_F(SpooldirTest, AChangedFileIsReadFromItsStart) {
  put("a", "1\n2\n");
  {
    auto source = opened();
    all(*source);
    ASSERT_TRUE(source->acked(1).ok());
  }
  put("a", "7\n8\n");
  EXPECT_EQ(all(*opened()), (Bodies{"7", "8"}));
}

TEST_F(SpooldirTest, AFileThatChangesAfterItWasReadStays) {
  put("a", "1\n");
  put("b", "2\n");
  auto source = opened();
  all(*source);
  put("a", "1\n9\n");
  ASSERT_TRUE(source->acked(2).ok());
  EXPECT_TRUE(exists("a"));
  EXPECT_TRUE(exists("b.COMPLETED"));
  const Status closed = source->close();
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().kind, ErrorClass::input);
  EXPECT_EQ(source->summary(), "1 file, 2 events, 1 left");
}

TEST_F(SpooldirTest, ATakenNameIsFoundBeforeAnythingIsSent) {
  put("a", "1\n");
  put("a.COMPLETED", "old");
  auto source = opened();
  EXPECT_EQ(all(*source), Bodies());
  EXPECT_EQ(source->close().error().kind, ErrorClass::io);
  EXPECT_TRUE(exists("a"));
  EXPECT_EQ(fs::file_size(dir_ + "/a.COMPLETED"), 3u);
}

TEST_F(SpooldirTest, ANameTakenLaterIsNotReplaced) {
  put("a", "1\n");
  auto source = opened();
  all(*source);
  put("a.COMPLETED", "old");
  ASSERT_TRUE(source->acked(1).ok());
  EXPECT_EQ(source->close().error().kind, ErrorClass::io);
  EXPECT_TRUE(exists("a"));
  EXPECT_EQ(fs::file_size(dir_ + "/a.COMPLETED"), 3u);
}

TEST_F(SpooldirTest, TwoSourcesOneLock) {
  put("a", "1\n");
  auto first = opened();
  auto second = make();
  const Status status = second->open(context_);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::again);
  EXPECT_NE(status.error().message.find("locked by another spooldir source"), std::string::npos);
}

TEST_F(SpooldirTest, NoDirectoryIsAConfigurationError) {
  auto source = make({{"spoolDir", dir_ + "/none"}});
  EXPECT_EQ(source->open(context_).error().kind, ErrorClass::config);
}

TEST_F(SpooldirTest, OnlyRegularFilesThatFit) {
  put("yes.log", "1\n");
  put("no.txt", "2\n");
  put("skip.log", "3\n");
  put(".hidden.log", "4\n");
  put("sub/in.log", "5\n");
  put("old.log.COMPLETED", "6\n");
  fs::create_symlink(dir_ + "/no.txt", dir_ + "/link.log");
  ASSERT_EQ(::mkfifo((dir_ + "/fifo.log").c_str(), 0600), 0);
  const test::Settings settings = {{"includePattern", ".*\\.log"}, {"ignorePattern", "sk.*"}};
  EXPECT_EQ(all(*opened(settings)), (Bodies{"1"}));
  test::Settings recursive = settings;
  recursive.emplace_back("recursiveDirectorySearch", "true");
  auto source = opened(recursive);
  EXPECT_EQ(all(*source), (Bodies{"1", "5"}));
  ASSERT_TRUE(source->acked(2).ok());
  EXPECT_TRUE(exists("sub/in.log.COMPLETED"));
}

TEST_F(SpooldirTest, OrderAndHeaders) {
  put("b", "1\n");
  put("a", "2\n");
  EXPECT_EQ(all(*opened({{"consumeOrder", "youngest"}})), (Bodies{"2", "1"}));
  headers_.clear();
  all(*opened({{"fileHeader", "true"}, {"basenameHeader", "true"}, {"basenameHeaderKey", "n"}}));
  ASSERT_EQ(headers_.size(), 2u);
  EXPECT_EQ(headers_[0], (Headers{{"file", dir_ + "/b"}, {"n", "b"}}));
}

TEST_F(SpooldirTest, DeletePolicyAndTrackerDirectory) {
  put("a", "1\n");
  auto source = opened({{"deletePolicy", "immediate"}});
  all(*source);
  EXPECT_TRUE(exists("a"));
  ASSERT_TRUE(source->acked(1).ok());
  EXPECT_FALSE(exists("a"));
  source.reset();

  put("sub/b", "2\n");
  const test::Settings marks = {{"trackingPolicy", "tracker_dir"},
                                {"recursiveDirectorySearch", "true"}};
  source = opened(marks);
  EXPECT_EQ(all(*source), (Bodies{"2"}));
  ASSERT_TRUE(source->acked(1).ok());
  EXPECT_TRUE(exists("sub/b"));
  EXPECT_TRUE(exists(".flumespool/sub/b.COMPLETED"));
  source.reset();
  EXPECT_EQ(all(*opened(marks)), Bodies());
}

TEST_F(SpooldirTest, WithoutOnceItWaitsForMore) {
  auto source = opened({{"once", "false"}, {"pollDelay", "1ms"}});
  EXPECT_EQ(all(*source), Bodies());
  EXPECT_EQ(last_, Source::State::wait);
  EXPECT_GE(source->deadline_ms(), 0);
  put("a", "1\n");
  Bodies bodies;
  while (bodies.empty()) {
    bodies = all(*source);
  }
  EXPECT_EQ(bodies, (Bodies{"1"}));
  EXPECT_TRUE(source->close().ok());
}

TEST_F(SpooldirTest, AVanishedFileIsPassedOver) {
  put("a", "1\n");
  put("b", "2\n");
  auto source = opened();
  BlockBuilder out(3);
  ASSERT_EQ(*source->produce(out), Source::State::more);
  fs::remove(dir_ + "/b");
  out.clear();
  all(*source);
  ASSERT_TRUE(source->acked(2).ok());
  EXPECT_TRUE(exists("a.COMPLETED"));
}

}  // namespace
}  // namespace fl
