#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "common/component/stage_options.h"
#include "common/compress/stream_compressor.h"
#include "common/io/poll_set.h"
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

  /// Bodies once there are any; waits as the runner does.
  std::vector<std::string> some(Source& source) {
    std::vector<std::string> bodies = all(source);
    const std::int64_t end = monotonic_ms() + 10'000;
    while (bodies.empty() && monotonic_ms() < end) {
      pollfd entry{source.wait_fd(), POLLIN, 0};
      const std::int64_t due = source.deadline_ms();
      (void)::poll(
          &entry, 1,
          due < 0 ? 1'000
                  : static_cast<int>(std::clamp<std::int64_t>(due - monotonic_ms(), 0, 1'000)));
      bodies = all(source);
    }
    return bodies;
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

/// Nothing: it is fine.
std::optional<ErrorClass> kind_of(const Status& status) {
  return status ? std::nullopt : std::optional(status.error().kind);
}

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
      const bool loses = whole.size() < expected.size();  // rejected lines that nobody keeps
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
              EXPECT_EQ(closed.error().kind, loses ? ErrorClass::input : ErrorClass::again);
            }
          }
          auto source = opened();
          const auto from = whole.begin() + static_cast<std::ptrdiff_t>(n);
          const Bodies again = all(*source);
          if (loses) {  // progress ends before the first line that nobody has
            ASSERT_GE(again.size(), whole.size() - n);
            ASSERT_TRUE(std::equal(again.rbegin(), again.rend(), whole.rbegin()));
          } else {
            ASSERT_EQ(again, Bodies(from, whole.end())) << mode << limit << " " << n;
          }
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
  EXPECT_EQ(kind_of(source->close()), ErrorClass::io);
  EXPECT_TRUE(exists("a"));
  EXPECT_EQ(fs::file_size(dir_ + "/a.COMPLETED"), 3u);
}

TEST_F(SpooldirTest, ANameTakenLaterIsNotReplaced) {
  put("a", "1\n");
  auto source = opened();
  all(*source);
  put("a.COMPLETED", "old");
  ASSERT_TRUE(source->acked(1).ok());
  EXPECT_EQ(kind_of(source->close()), ErrorClass::io);
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
  EXPECT_NE(status.error().message.find("locked by " + std::to_string(::getpid()) + ", since 2"),
            std::string::npos)
      << status.error().message;
  EXPECT_TRUE(status.error().hint.empty());
}

TEST_F(SpooldirTest, AnotherTrackerDirectoryDoesNotPassTheLock) {
  put("a", "1\n");
  auto first = opened();
  auto second = make({{"trackerDir", dir_ + "/.other"}});
  EXPECT_EQ(kind_of(second->open(context_)), ErrorClass::again);
  first.reset();
  EXPECT_TRUE(second->open(context_).ok());
}

TEST_F(SpooldirTest, TwoDirectoriesDoNotShareATracker) {
  fs::create_directory(dir_ + "/one");
  fs::create_directory(dir_ + "/two");
  auto first = opened({{"spoolDir", dir_ + "/one"}, {"trackerDir", dir_ + "/.tracker"}});
  auto second = make({{"spoolDir", dir_ + "/two"}, {"trackerDir", dir_ + "/.tracker"}});
  EXPECT_EQ(kind_of(second->open(context_)), ErrorClass::again);
}

TEST_F(SpooldirTest, NoDirectoryIsAConfigurationError) {
  auto source = make({{"spoolDir", dir_ + "/none"}});
  EXPECT_EQ(kind_of(source->open(context_)), ErrorClass::config);
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
  EXPECT_GE(source->wait_fd(), 0);
  EXPECT_LT(source->deadline_ms(), 0);  // nothing to do until something happens
  put("a", "1\n");
  EXPECT_EQ(some(*source), (Bodies{"1"}));
  EXPECT_TRUE(source->close().ok());
}

// ---------------------------------------------------------------- what cannot be settled

TEST_F(SpooldirTest, ANameThatWouldBeTooLongIsNotRead) {
  const std::string fits(245, 'f');
  const std::string too_long(246, 'l');
  put(too_long, "1\n");
  put(fits, "2\n");
  auto source = opened();
  EXPECT_EQ(all(*source), (Bodies{"2"}));
  ASSERT_TRUE(source->acked(1).ok());
  EXPECT_TRUE(exists(fits + ".COMPLETED"));
  EXPECT_TRUE(exists(too_long));
  EXPECT_EQ(kind_of(source->close()), ErrorClass::io);
  source.reset();
  EXPECT_EQ(all(*opened({{"trackingPolicy", "tracker_dir"}})), Bodies());
  EXPECT_EQ(all(*opened({{"deletePolicy", "immediate"}})), (Bodies{"1"}));
}

TEST_F(SpooldirTest, ADeliveredFileThatCannotBeRenamedIsNotDeliveredAgain) {
  put("a", "1\n");
  put("b", "2\n");
  {
    auto source = opened();
    EXPECT_EQ(all(*source), (Bodies{"1", "2"}));
    put("a.COMPLETED", "old");
    ASSERT_TRUE(source->acked(2).ok());
    EXPECT_TRUE(exists("b.COMPLETED"));
    EXPECT_EQ(kind_of(source->close()), ErrorClass::io);
  }
  for (int run = 0; run < 2; ++run) {
    auto source = opened();
    EXPECT_EQ(all(*source), Bodies());
    EXPECT_EQ(kind_of(source->close()), ErrorClass::io);
    EXPECT_TRUE(exists("a"));
    EXPECT_EQ(fs::file_size(dir_ + "/a.COMPLETED"), 3u);
  }
  fs::remove(dir_ + "/a.COMPLETED");
  auto source = opened();
  EXPECT_EQ(all(*source), Bodies());
  EXPECT_TRUE(source->close().ok());
  EXPECT_EQ(source->summary(), "1 file, 0 events, 0 left");
  EXPECT_TRUE(exists("a.COMPLETED"));
  EXPECT_FALSE(exists("a"));
}

TEST_F(SpooldirTest, AnotherFileOfTheSameNameIsDelivered) {
  put("a", "1\n");
  {
    auto source = opened();
    all(*source);
    put("a.COMPLETED", "old");
    ASSERT_TRUE(source->acked(1).ok());
    EXPECT_FALSE(source->close().ok());
  }
  fs::rename(dir_ + "/a", dir_ + "/.kept");
  put("a", "2\n");
  fs::remove(dir_ + "/a.COMPLETED");
  EXPECT_EQ(all(*opened()), (Bodies{"2"}));
}

TEST_F(SpooldirTest, ADeliveredFileThatGrewBeforeItWasRenamedStays) {
  put("a", "1\n");
  {
    auto source = opened();
    all(*source);
    put("a.COMPLETED", "old");
    ASSERT_TRUE(source->acked(1).ok());
    EXPECT_FALSE(source->close().ok());
  }
  fs::remove(dir_ + "/a.COMPLETED");
  std::ofstream(dir_ + "/a", std::ios::app) << "2\n";
  auto source = opened();
  EXPECT_EQ(all(*source), Bodies());
  EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
  EXPECT_TRUE(exists("a"));
}

TEST_F(SpooldirTest, AFileReplacedBeforeItsAckStays) {
  put("a", "1\n");
  auto source = opened();
  all(*source);
  put("new", "2\n");
  fs::rename(dir_ + "/new", dir_ + "/a");
  ASSERT_TRUE(source->acked(1).ok());
  EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
  EXPECT_TRUE(exists("a"));
  source.reset();
  EXPECT_EQ(all(*opened()), (Bodies{"2"}));
}

TEST_F(SpooldirTest, ADeliveredFileThatGrowsIsReportedOnce) {
  for (const bool in_this_run : {true, false}) {
    for (const bool marked : {false, true}) {
      const test::Settings policy = {{"trackingPolicy", marked ? "tracker_dir" : "rename"}};
      const std::string final_name = marked ? "/a" : "/a.COMPLETED";
      fs::remove_all(dir_);
      put("a", "1\n");
      auto source = opened(policy);
      all(*source);
      ASSERT_TRUE(source->acked(1).ok());
      if (!in_this_run) {
        EXPECT_TRUE(source->close().ok());
        source.reset();
      }
      std::ofstream(dir_ + final_name, std::ios::app) << "2\n";
      if (!in_this_run) {
        source = opened(policy);
        EXPECT_EQ(all(*source), Bodies());
      }
      const Status closed = source->close();
      ASSERT_FALSE(closed.ok()) << in_this_run << marked;
      EXPECT_EQ(closed.error().kind, ErrorClass::input);
      source = opened(policy);
      EXPECT_EQ(all(*source), Bodies());
      EXPECT_TRUE(source->close().ok());
      source.reset();
    }
  }
}

// ---------------------------------------------------------------- files that are being written

TEST_F(SpooldirTest, AFileThatSomebodyWritesToIsLeft) {
  put("a", "1\n");
  put("b", "2\n");
  UniqueFd writer(::open((dir_ + "/a").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  for (const char* const policy : {"never", "immediate"}) {
    auto source = opened({{"deletePolicy", policy}, {"ignorePattern", "b"}});
    EXPECT_EQ(all(*source), Bodies());
    EXPECT_TRUE(source->close().ok());
    EXPECT_EQ(source->summary(), "0 files, 0 events, 0 left, 1 file still being written");
  }
  auto source = opened();
  EXPECT_EQ(all(*source), (Bodies{"2"}));
  source.reset();
  writer.reset();
  source = opened();
  EXPECT_EQ(all(*source), (Bodies{"1", "2"}));
}

TEST_F(SpooldirTest, AReaderIsNoWriter) {
  put("a", "1\n");
  const UniqueFd reader(::open((dir_ + "/a").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(all(*opened()), (Bodies{"1"}));
}

TEST_F(SpooldirTest, MinAgeCountsFromTheLastChange) {
  put("old", "1\n");
  std::ofstream(dir_ + "/new") << "2\n";
  auto source = opened({{"minAge", "1h"}});
  EXPECT_EQ(all(*source), (Bodies{"1"}));
  EXPECT_EQ(source->summary(), "0 files, 0 events, 1 left, 1 file still being written");
  source.reset();
  EXPECT_EQ(all(*opened()), (Bodies{"1", "2"}));
  EXPECT_EQ(kind_of(make({{"minAge", "soon"}})->open(context_)), ErrorClass::usage);
}

TEST_F(SpooldirTest, ADeletedFileHasNoWriter) {
  put("a", "1\n");
  auto source = opened({{"deletePolicy", "immediate"}});
  all(*source);
  const UniqueFd writer(::open((dir_ + "/a").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  ASSERT_TRUE(source->acked(1).ok());
  EXPECT_TRUE(exists("a"));
  EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
}

// ---------------------------------------------------------------- watching

TEST_F(SpooldirTest, NewFilesComeInOrderAlsoWhileOthersAreRead) {
  put("a", "0\n1\n");
  put("c", "4\n");
  auto source = opened({{"once", "false"}});
  BlockBuilder out(2);
  ASSERT_EQ(*source->produce(out), Source::State::more);
  put("d", "5\n");
  put("b", "2\n");
  const timespec times[2] = {{1'000'001, 500}, {1'000'001, 500}};  // between a and c
  ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ + "/b").c_str(), times, 0), 0);
  out.clear();
  EXPECT_EQ(all(*source), (Bodies{"1", "2", "4", "5"}));
  ASSERT_TRUE(source->acked(5).ok());
  EXPECT_EQ(all(*source), Bodies());  // our own renames are nothing new
  EXPECT_EQ(source->summary(), "4 files, 5 events, 0 left");
}

TEST_F(SpooldirTest, AWatchedFileIsReadWhenItsWriterIsDone) {
  auto source = opened({{"once", "false"}});
  EXPECT_EQ(all(*source), Bodies());
  std::ofstream writer(dir_ + "/a");
  writer << "1\n" << std::flush;
  EXPECT_EQ(all(*source), Bodies());
  writer << "2\n";
  writer.close();
  EXPECT_EQ(some(*source), (Bodies{"1", "2"}));
}

TEST_F(SpooldirTest, NewSubdirectoriesAreWatchedToo) {
  const test::Settings settings = {
      {"once", "false"}, {"recursiveDirectorySearch", "true"}, {"ignorePattern", "skip"}};
  auto source = opened(settings);
  EXPECT_EQ(all(*source), Bodies());
  put("sub/deep/a", "1\n");
  put("skip/b", "2\n");
  EXPECT_EQ(some(*source), (Bodies{"1"}));
  put("sub/deep/c", "3\n");
  EXPECT_EQ(some(*source), (Bodies{"3"}));
  fs::rename(dir_ + "/sub/deep", dir_ + "/moved");
  put("moved/d", "4\n");
  Bodies bodies = some(*source);
  std::sort(bodies.begin(), bodies.end());
  // What was delivered and not acknowledged has another name now, and is another file.
  EXPECT_TRUE(std::count(bodies.begin(), bodies.end(), "4") == 1);
}

TEST_F(SpooldirTest, ADirectoryThatIsRemovedIsAnError) {
  fs::create_directory(dir_ + "/gone");
  auto source =
      opened({{"once", "false"}, {"spoolDir", dir_ + "/gone"}, {"trackerDir", dir_ + "/.tracker"}});
  EXPECT_EQ(all(*source), Bodies());
  fs::remove_all(dir_ + "/gone");
  BlockBuilder out(100);
  const auto state = source->produce(out);
  ASSERT_FALSE(state.ok());
  EXPECT_EQ(state.error().kind, ErrorClass::io);
}

TEST_F(SpooldirTest, AfterAFailureTheOthersAreReadAndANewFileOfThatName) {
  auto source = opened({{"once", "false"}});
  EXPECT_EQ(all(*source), Bodies());
  put("a", std::string("\0\0", 2));
  put("b", "1\n");
  EXPECT_EQ(some(*source), (Bodies{"1"}));
  fs::remove(dir_ + "/a");
  put("a", "2\n");
  EXPECT_EQ(some(*source), (Bodies{"2"}));
  ASSERT_TRUE(source->acked(2).ok());
  EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
}

// ---------------------------------------------------------------- bytes that are not lines of text

std::string gzip(const std::string& text) {
  std::string out;
  auto codec = make_stream_compressor(StreamFormat::gzip, 6);
  codec->write(text, out);
  codec->finish(out);
  return out;
}

TEST_F(SpooldirTest, BinaryFilesAreNotRead) {
  const std::string binaries[] = {gzip("1\n"),
                                  std::string("\xff\xfe\x31\0\n\0", 6),
                                  std::string("a\0b\n", 4),
                                  std::string("\x28\xb5\x2f\xfd zstd"),
                                  "BZh91AY&SY",
                                  std::string("\x04\x22\x4d\x18", 4)};
  for (const std::string& bytes : binaries) {
    fs::remove_all(dir_);
    put("a", bytes);
    put("b", "1\n");
    auto source = opened();
    EXPECT_EQ(all(*source), (Bodies{"1"}));
    ASSERT_TRUE(source->acked(1).ok());
    EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
    EXPECT_TRUE(exists("a"));
  }
  StageOptions stage;
  stage.text = true;
  context_.stage = &stage;
  fs::remove_all(dir_);
  put("a", std::string("a\0b\n", 4));
  EXPECT_EQ(all(*opened()), (Bodies{std::string("a\0b", 3)}));
}

TEST_F(SpooldirTest, SeparatorsOfHiveAreText) {
  put("a", "1\x01x\x02y\x03z\n");
  EXPECT_EQ(all(*opened()), (Bodies{"1\x01x\x02y\x03z"}));
}

TEST_F(SpooldirTest, DecompressTakesWhatNameAndBytesAgreeOn) {
  put("a.gz", gzip("1\n2\n") + gzip("3"));
  put("b.txt", "4\n");
  put("c.gz", "5\n");
  put("d", gzip("6\n"));
  auto source = opened({{"decompress", "auto"}});
  EXPECT_EQ(all(*source), (Bodies{"1", "2", "3", "4"}));
  ASSERT_TRUE(source->acked(4).ok());
  EXPECT_TRUE(exists("a.gz.COMPLETED"));
  EXPECT_TRUE(exists("c.gz"));
  EXPECT_TRUE(exists("d"));
  EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
  source.reset();
  EXPECT_EQ(all(*opened({{"decompress", "gzip"}})), (Bodies{"6"}));
}

TEST_F(SpooldirTest, PositionsCountInTheDecompressedText) {
  Bodies expected;
  std::string text;
  for (int i = 0; i < 300; ++i) {
    expected.push_back("line " + std::to_string(i * i));
    text += expected.back() + "\n";
  }
  const test::Settings settings = {{"decompress", "auto"}};
  for (const std::size_t n : {0u, 1u, 7u, 150u, 299u, 300u}) {
    fs::remove_all(dir_);
    put("a.gz", gzip(text));
    {
      auto source = opened(settings);
      EXPECT_EQ(all(*source, 500), expected);
      for (std::size_t i = 1; i <= n; ++i) {
        ASSERT_TRUE(source->acked(i).ok());
      }
      source->stop();
    }
    const auto from = expected.begin() + static_cast<std::ptrdiff_t>(n);
    EXPECT_EQ(all(*opened(settings)), Bodies(from, expected.end())) << n;
  }
}

TEST_F(SpooldirTest, NothingOfADamagedFileIsSent) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) {
    text += "line " + std::to_string(i) + "\n";
  }
  const std::string whole = gzip(text);
  std::string damaged = whole;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  for (const std::string& bytes : {whole.substr(0, whole.size() - 1), damaged, whole + "x"}) {
    put("a.gz", bytes);
    auto source = opened({{"decompress", "auto"}});
    EXPECT_EQ(all(*source), Bodies());
    EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
    EXPECT_TRUE(exists("a.gz"));
  }
}

TEST_F(SpooldirTest, OtherEncodingsBecomeUtf8) {
  put("a", std::string("\xff\xfe\xe9\0\n\0b\0", 8));
  EXPECT_EQ(all(*opened({{"inputCharset", "UTF-16"}})), (Bodies{"\xc3\xa9", "b"}));
  EXPECT_EQ(all(*opened({{"inputCharset", "UTF-16LE"}})), (Bodies{"\xc3\xa9", "b"}));
  put("a", "\xe9\n");
  EXPECT_EQ(all(*opened({{"inputCharset", "ISO-8859-1"}})), (Bodies{"\xc3\xa9"}));
  EXPECT_EQ(all(*opened({{"inputCharset", "US-ASCII"}})), (Bodies{"\xe9"}));
  put("a", std::string("1\0\n\0", 4));  // no mark: the order is not guessed
  EXPECT_EQ(all(*opened({{"inputCharset", "UTF-16"}})), Bodies());
  put("a", std::string("1\0\0\xd8\n\0", 6));  // half a character
  EXPECT_EQ(all(*opened({{"inputCharset", "UTF-16LE"}})), Bodies());
  EXPECT_EQ(all(*opened({{"inputCharset", "UTF-16LE"}, {"decodeErrorPolicy", "REPLACE"}})),
            (Bodies{"1\xef\xbf\xbd"}));
  EXPECT_EQ(all(*opened({{"inputCharset", "UTF-16LE"}, {"decodeErrorPolicy", "IGNORE"}})),
            (Bodies{"1"}));
  EXPECT_EQ(kind_of(make({{"inputCharset", "klingon"}})->open(context_)), ErrorClass::config);
}

TEST_F(SpooldirTest, AByteOrderMarkIsLeftOut) {
  put("a",
      "\xef\xbb\xbf"
      "1\n2\n");
  put("b", "\xef\xbb\xbf");
  {
    auto source = opened();
    EXPECT_EQ(all(*source), (Bodies{"1", "2", ""}));
    ASSERT_TRUE(source->acked(1).ok());
  }
  EXPECT_EQ(all(*opened()), (Bodies{"2", ""}));
}

TEST_F(SpooldirTest, AnotherFormOfTheTextIsReadFromItsStart) {
  put("a.gz", gzip("1\n2\n"));
  {
    auto source = opened({{"decompress", "auto"}});
    all(*source);
    ASSERT_TRUE(source->acked(1).ok());
  }
  EXPECT_EQ(all(*opened({{"decompress", "auto"}, {"inputCharset", "ISO-8859-1"}})),
            (Bodies{"1", "2"}));
}

// ---------------------------------------------------------------- rejected lines

/// Keeps bodies, as a file of --reject would.
class KeptRejects final : public Rejects {
 public:
  Status reject(const Event& event, const Error& why) override {
    if (fails) {
      return Error{ErrorClass::io, "full", {}};
    }
    bodies.emplace_back(event.body());
    has_headers = has_headers || event.has_headers();
    reason = why.message;
    return {};
  }
  bool keeps() const override { return true; }
  Result<bool> synced() override {
    on_disk = can_sync ? bodies.size() : on_disk;
    return can_sync;
  }
  Bodies bodies;
  std::string reason;
  bool has_headers = false;
  bool fails = false;
  bool can_sync = true;
  std::size_t on_disk = 0;
};

TEST_F(SpooldirTest, AFileWithALineThatIsRejectedAndNotKeptStays) {
  text_.max_line.value = 3;
  text_.long_line = "reject";
  put("a", "1\nlonger\n2\n");
  put("b", "3\n");
  for (int run = 0; run < 2; ++run) {
    auto source = opened();
    const Bodies bodies = all(*source);
    EXPECT_EQ(bodies, run == 0 ? (Bodies{"1", "2", "3"}) : (Bodies{"1", "2"}));
    for (std::size_t i = 1; i <= bodies.size(); ++i) {
      ASSERT_TRUE(source->acked(i).ok());
    }
    EXPECT_EQ(kind_of(source->close()), ErrorClass::input);
    EXPECT_TRUE(exists("a"));
    EXPECT_TRUE(exists("b.COMPLETED"));
  }
}

TEST_F(SpooldirTest, AKeptLineIsDeliveredAndOnDiskBeforeItsFileIsRenamed) {
  text_.max_line.value = 3;
  text_.long_line = "reject";
  KeptRejects rejects;
  context_.rejects = &rejects;
  put("a", "longer");  // nothing of it waits for an acknowledgement
  auto source = opened({{"basenameHeader", "true"}});
  EXPECT_EQ(all(*source), Bodies());
  EXPECT_TRUE(exists("a.COMPLETED"));
  EXPECT_EQ(rejects.bodies, Bodies{"longer"});
  EXPECT_TRUE(rejects.has_headers);
  EXPECT_EQ(rejects.on_disk, 1U);
  EXPECT_EQ(rejects.reason, "a line of 6 bytes is longer than --max-line (3)");
  EXPECT_TRUE(source->close().ok());
}

TEST_F(SpooldirTest, AFileStaysAsLongAsItsRejectedLinesAreNotOnDisk) {
  text_.max_line.value = 3;
  text_.long_line = "reject";
  KeptRejects rejects;
  rejects.can_sync = false;
  context_.rejects = &rejects;
  put("a", "1\nlonger\n");
  auto source = opened();
  EXPECT_EQ(all(*source), Bodies{"1"});
  ASSERT_TRUE(source->acked(1).ok());
  const PollSet set;
  ASSERT_TRUE(source->handle(set).ok());
  EXPECT_FALSE(exists("a.COMPLETED"));
  rejects.can_sync = true;
  ASSERT_TRUE(source->handle(set).ok());
  EXPECT_TRUE(exists("a.COMPLETED"));
  EXPECT_TRUE(source->close().ok());
}

TEST_F(SpooldirTest, ALineThatCannotBeKeptEndsTheSource) {
  text_.max_line.value = 3;
  text_.long_line = "reject";
  KeptRejects rejects;
  rejects.fails = true;
  context_.rejects = &rejects;
  put("a", "longer");
  auto source = opened();
  BlockBuilder out;
  const auto state = source->produce(out);
  ASSERT_FALSE(state.ok());
  EXPECT_EQ(state.error().kind, ErrorClass::io);
  EXPECT_TRUE(exists("a"));
}

// ---------------------------------------------------------------- what nobody intends

TEST_F(SpooldirTest, EmptyStringsAreUsageErrors) {
  const test::Settings wrong[] = {{{"spoolDir", ""}},
                                  {{"trackerDir", ""}},
                                  {{"fileSuffix", ""}},
                                  {{"fileSuffix", ""}, {"trackingPolicy", "tracker_dir"}},
                                  {{"fileHeader", "true"}, {"fileHeaderKey", ""}},
                                  {{"basenameHeader", "true"}, {"basenameHeaderKey", ""}}};
  for (const test::Settings& settings : wrong) {
    const Status status = make(settings)->open(context_);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorClass::usage) << settings.front().first;
  }
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
