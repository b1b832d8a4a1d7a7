#include "common/stage/reject_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "common/base/clock.h"
#include "common/io/input_buffer.h"
#include "common/io/poll_set.h"
#include "tests/support/numbered_events.h"
#include "tests/support/temp_dir.h"

namespace fl {
namespace {

const Error kWhy{ErrorClass::input, "not wanted", {}};

class RejectFileTest : public testing::Test {
 protected:
  std::unique_ptr<RejectFile> opened(const std::string& stage) {
    auto file = std::make_unique<RejectFile>(stage);
    const Status status = file->open(path_, {});
    EXPECT_TRUE(status) << status.error().message;
    return file;
  }
  void reject(RejectFile& file, std::size_t count = 1) {
    const Batch& batch = events_.batch(count);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Status status = file.reject(batch[i], kWhy);
      ASSERT_TRUE(status) << status.error().message;
    }
    sync(file);
  }
  static void sync(RejectFile& file) {
    for (int turn = 0; turn < 10'000; ++turn) {
      const Result<bool> synced = file.synced();
      ASSERT_TRUE(synced) << synced.error().message;
      EXPECT_EQ(file.syncing(), !*synced);
      if (*synced) {
        return;
      }
      PollSet set;
      file.watch(set);
      set.wait();
    }
    FAIL() << "the sync never ends";
  }
  void append(const std::string& bytes) { std::ofstream(path_, std::ios::app) << bytes; }
  std::uintmax_t size() const { return std::filesystem::file_size(path_); }

  /// "stage:body" of all events; the file must be whole streams.
  std::vector<std::string> contents() const {
    std::vector<std::string> out;
    const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    InputBuffer buffer;
    StreamReader reader((EventLimits()));
    bool eof = false;
    for (;;) {
      const Result<StreamReader::Item> item = reader.next(buffer, eof);
      if (!item) {
        ADD_FAILURE() << item.error().message;
        return out;
      }
      if (*item == StreamReader::Item::end) {
        return out;
      }
      if (*item == StreamReader::Item::need_more) {
        eof = buffer.read(fd.get(), reader.bytes_wanted()) <= 0;
      }
      if (*item == StreamReader::Item::block) {
        for (std::size_t i = 0; i < reader.batch().size(); ++i) {
          const Event& event = reader.batch()[i];
          out.push_back(std::string(find_header(event, RejectFile::kStage).value_or("")) + ":" +
                        std::string(event.body()));
          EXPECT_EQ(find_header(event, RejectFile::kReason), "not wanted");
        }
      }
    }
  }

  TempDir dir_;
  const std::string path_ = dir_.path() + "/bad.avro";
  NumberedEvents events_;
};

TEST_F(RejectFileTest, StagesTakeTurnsInOneFile) {
  const auto one = opened("one");
  const auto two = opened("two");
  reject(*one, 2);
  const auto three = opened("three");  // in the middle of the first one's stream
  reject(*one);
  reject(*two);
  reject(*three);
  reject(*two);
  reject(*two);
  reject(*one);
  EXPECT_EQ(contents(), (std::vector<std::string>{"one:0", "one:1", "one:2", "two:3", "three:4",
                                                  "two:5", "two:6", "one:7"}));
  EXPECT_EQ(one->count(), 4U);
}

TEST_F(RejectFileTest, AStageThatIsAloneWritesOneStream) {
  const auto one = opened("one");
  reject(*one);
  const std::uintmax_t first = size();
  reject(*one);
  EXPECT_LT(size() - first, first / 2);  // no second header
}

TEST_F(RejectFileTest, ATornEndIsCutWhereverItIsFound) {
  const auto one = opened("one");
  reject(*one);
  const std::uintmax_t whole = size();
  {
    const auto killed = opened("killed");
    reject(*killed);
  }
  std::ostringstream read;
  read << std::ifstream(path_).rdbuf();
  const std::string bytes = read.str();
  // Each place in the header or the block of a stage that was killed while it wrote.
  for (std::uintmax_t cut = whole + 1; cut < bytes.size(); cut += 7) {
    std::ofstream(path_) << bytes.substr(0, cut);
    const auto late = opened("late");  // at its start
    EXPECT_EQ(contents(), (std::vector<std::string>{"one:0"})) << cut;
  }
  std::ofstream(path_) << bytes.substr(0, whole);
  const auto killed = opened("killed");
  reject(*killed);
  std::filesystem::resize_file(path_, size() - 5);
  reject(*one);  // and while it runs
  EXPECT_EQ(contents().front(), "one:0");
  EXPECT_EQ(contents().back().substr(0, 4), "one:");
  EXPECT_EQ(contents().size(), 2U);
}

TEST_F(RejectFileTest, ATornBlockInAStreamThatGoesOnIsCut) {
  const auto one = opened("one");
  reject(*one);
  const auto two = opened("two");
  const std::uintmax_t before = size();
  reject(*one);  // continues its stream, which the second has read up to there
  std::filesystem::resize_file(path_, before + (size() - before) / 2);
  reject(*two);
  EXPECT_EQ(contents(), (std::vector<std::string>{"one:0", "two:2"}));
}

TEST_F(RejectFileTest, AFileThatWasEmptiedIsBegunAgain) {
  const auto one = opened("one");
  reject(*one, 3);
  std::filesystem::resize_file(path_, 0);
  reject(*one);
  EXPECT_EQ(contents(), (std::vector<std::string>{"one:3"}));
}

TEST_F(RejectFileTest, AFileOfSomethingElseIsLeftAlone) {
  append("Objections\n");
  RejectFile file("one");
  const Status status = file.open(path_, {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorClass::create);
  EXPECT_EQ(size(), 11U);
}

TEST_F(RejectFileTest, AnotherProgramThatKeepsItLockedIsAnError) {
  const auto one = opened("one");
  const UniqueFd other(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(other.get(), LOCK_EX), 0);
  const ManualClock clock;
  const std::int64_t begin = monotonic_ms();
  const Status status = one->reject(events_.batch(1)[0], kWhy);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorClass::again);
  EXPECT_EQ(monotonic_ms() - begin, 3000);
  ASSERT_EQ(::flock(other.get(), LOCK_UN), 0);
  reject(*one);
  EXPECT_EQ(contents(), (std::vector<std::string>{"one:1"}));
}

}  // namespace
}  // namespace fl
