// The hdfs sink when its store fails: retries, order, back-pressure. The store is a scripted one.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include <gtest/gtest.h>

#include "tests/unit/sink/hdfs_test_help.h"

namespace fl {
namespace {

Outcome unavailable() { return Outcome::fail({ErrorClass::unavailable, "nobody answers", {}}); }
Outcome full() { return Outcome::full({ErrorClass::io, "no space", {}}); }

// What happened and what is to happen; shared by test, store and parts.
struct Script {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> files;  // committed, in order: "directory/content"
  std::deque<Outcome> commits;     // what commits answer before they succeed
  std::atomic<bool> disk_full{false};
  std::atomic<bool> has_room{true};
  std::atomic<int> discarded{0};
  int running = 0;
  int most_running = 0;
  std::function<bool(const std::string& directory)> blocked = [](const std::string&) {
    return false;
  };
};

class FakePart final : public Part {
 public:
  FakePart(Script& script, const FileNames& names) : script_(script), names_(names) {}

  Outcome write(std::string& buffer) override {
    if (script_.disk_full) {
      content_ += buffer.substr(0, 3);  // a write that was cut short
      buffer.erase(0, 3);
      return full();
    }
    content_ += buffer;
    buffer.clear();
    return {};
  }
  Outcome commit(std::string& rest, std::uint64_t& counter) override {
    if (Outcome written = write(rest); written.kind != Outcome::Kind::done) {
      return written;
    }
    std::unique_lock lock(script_.mutex);
    ++script_.running;
    script_.most_running = std::max(script_.most_running, script_.running);
    script_.changed.notify_all();
    script_.changed.wait(lock, [this] { return !script_.blocked(names_.directory); });
    --script_.running;
    if (!script_.commits.empty()) {
      const Outcome outcome = script_.commits.front();
      script_.commits.pop_front();
      return outcome;
    }
    script_.files.push_back(names_.directory + "/" + content_);
    is_committed_ = true;
    ++counter;
    return {};
  }
  void discard() override { script_.discarded += is_committed_ ? 0 : 1; }

 private:
  Script& script_;
  const FileNames& names_;
  std::string content_;
  bool is_committed_ = false;
};

class FakeStore final : public Store {
 public:
  explicit FakeStore(Script& script) : script_(script) {}
  Status open(bool) override { return {}; }
  std::string rule() const override { return "faked"; }
  std::string place() const override { return "nowhere"; }
  std::string base() const override { return "/"; }
  std::unique_ptr<Part> part(const FileNames& names, std::uint64_t) override {
    return std::make_unique<FakePart>(script_, names);
  }
  void sweep(const std::string&, std::int64_t) override {}
  bool has_room() const override { return script_.has_room; }

 private:
  Script& script_;
};

class HdfsFailure : public ::testing::Test {
 protected:
  void start(std::int64_t grace_ms = 10'000) {
    options_.path = "/%{h}";
    sink_ = std::make_unique<HdfsSink>(options_, std::make_unique<FakeStore>(script_));
    context_.grace_ms = grace_ms;
    ASSERT_TRUE(sink_->open(context_).ok());
  }
  void send(const std::string& body, const std::string& h = "a") {
    Events events;
    events.add(body, {{"h", h}});
    ASSERT_TRUE(sink_->deliver(events.batch()).ok());
  }
  void unblock() {
    const std::lock_guard lock(script_.mutex);
    script_.blocked = [](const std::string&) { return false; };
    script_.changed.notify_all();
  }

  Script script_;
  HdfsOptions options_;
  StageContext context_;
  std::unique_ptr<HdfsSink> sink_;
};

TEST_F(HdfsFailure, AnUnavailableServerIsTriedAgain) {
  start();
  script_.commits = {unavailable(), unavailable()};
  send("1");
  ASSERT_TRUE(drain(*sink_, 1).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"a/1\n"});
}

TEST_F(HdfsFailure, AfterTheGraceItIsTheStatusOfUnavailable) {
  start(150);
  script_.commits.assign(1'000, unavailable());
  send("1");
  const Status status = drain(*sink_, 1);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::unavailable);
  EXPECT_EQ(sink_->safe(), 0u);
  ASSERT_TRUE(sink_->close().ok());
  EXPECT_GE(script_.discarded, 1);
}

TEST_F(HdfsFailure, OtherErrorsEndAtOnce) {
  for (const ErrorClass kind : {ErrorClass::permission, ErrorClass::io}) {
    start();
    script_.discarded = 0;
    script_.commits = {Outcome::fail({kind, "no", {}})};
    send("1");
    send("2", "b");
    const Status status = drain(*sink_, 2);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, kind);
    EXPECT_LT(sink_->safe(), 2u);
    ASSERT_TRUE(sink_->close().ok());
    EXPECT_GE(script_.discarded, 1);
  }
}

TEST_F(HdfsFailure, FilesOfOneBucketAppearInOrderEvenWhenTheFirstFails) {
  options_.roll_count = 1;
  start();
  script_.commits = {unavailable()};
  for (int i = 0; i < 5; ++i) {
    send(std::to_string(i));
  }
  ASSERT_TRUE(drain(*sink_, 5).ok());
  EXPECT_EQ(script_.files, (std::vector<std::string>{"a/0\n", "a/1\n", "a/2\n", "a/3\n", "a/4\n"}));
}

TEST_F(HdfsFailure, OneBucketCommitsOneFileAtATimeAndSeveralOverlap) {
  options_.roll_count = 1;
  start();
  script_.blocked = [](const std::string&) { return true; };
  send("1", "a");
  send("2", "a");
  send("3", "b");
  send("4", "c");
  {
    std::unique_lock lock(script_.mutex);
    script_.changed.wait(lock, [this] { return script_.running == 3; });
  }
  EXPECT_EQ(sink_->safe(), 0u);
  unblock();
  ASSERT_TRUE(drain(*sink_, 4).ok());
  EXPECT_EQ(script_.most_running, 3);
}

TEST_F(HdfsFailure, SafeWaitsForTheOldestPart) {
  options_.roll_count = 1;
  start();
  script_.blocked = [](const std::string& directory) { return directory == "a"; };
  send("1", "a");
  send("2", "b");
  ASSERT_TRUE(run_until(*sink_, [&] {
                return sink_->status().find("1 committed") != std::string::npos;
              }).ok());
  EXPECT_EQ(sink_->safe(), 0u);
  unblock();
  ASSERT_TRUE(drain(*sink_, 2).ok());
}

TEST_F(HdfsFailure, AFullDiskStopsReadingAndNothingIsLost) {
  start();
  script_.disk_full = true;
  const std::string body(300'000, 'x');
  send(body);
  EXPECT_FALSE(sink_->ready());
  EXPECT_GT(sink_->deadline_ms(), 0);
  ASSERT_TRUE(run_until(*sink_, [&] { return sink_->deadline_ms() > monotonic_ms(); }).ok());
  EXPECT_FALSE(sink_->ready());
  script_.disk_full = false;
  ASSERT_TRUE(run_until(*sink_, [&] { return sink_->ready(); }).ok());
  send("end");
  ASSERT_TRUE(drain(*sink_, 2).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"a/" + body + "\nend\n"});
}

TEST_F(HdfsFailure, AFullDiskDuringACommitWaitsToo) {
  start();
  script_.disk_full = true;
  send("1234567");
  EXPECT_TRUE(sink_->ready());  // still in memory
  ASSERT_TRUE(sink_->commit(1).ok());
  ASSERT_TRUE(run_until(*sink_, [&] { return !sink_->ready(); }).ok());
  script_.disk_full = false;
  ASSERT_TRUE(run_until(*sink_, [&] { return sink_->ready() && sink_->safe() == 1; }).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"a/1234567\n"});
}

TEST_F(HdfsFailure, AFullSpoolCommitsTheLargestPart) {
  start();
  send("1", "small");
  send("123456", "large");
  script_.has_room = false;
  send("2", "small");
  EXPECT_FALSE(sink_->ready());
  ASSERT_TRUE(run_until(*sink_, [&] {
                return sink_->status().find("1 committed") != std::string::npos;
              }).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"large/123456\n"});
  script_.has_room = true;
  EXPECT_TRUE(sink_->ready());
  ASSERT_TRUE(drain(*sink_, 3).ok());
}

TEST_F(HdfsFailure, PartsOnTheirWayAreLimited) {
  options_.roll_count = 1;
  start();
  script_.blocked = [](const std::string&) { return true; };
  int sent = 0;
  while (sink_->ready() && sent < 10'000) {
    send("x", std::to_string(sent++));
  }
  EXPECT_LT(sent, 100);
  unblock();
  ASSERT_TRUE(drain(*sink_, static_cast<std::uint64_t>(sent)).ok());
}

}  // namespace
}  // namespace fl
