// The hdfs sink when its store fails: retries, order, back-pressure. The store is a scripted one.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include <gtest/gtest.h>

#include "tests/support/figures.h"
#include "tests/unit/sink/hdfs_test_help.h"

namespace fl {
namespace {

Outcome unavailable() { return Outcome::fail({ErrorClass::unavailable, "nobody answers", {}}); }
Outcome quota() { return Outcome::refuse({ErrorClass::io, "the quota is used up", "raise it"}); }
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
  bool is_remote = false;
  bool may_open = true;
  bool is_cancelled = false;
  std::optional<Error> refusal;  // what open() answers
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
      Outcome outcome = script_.commits.front();
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
  Status open(bool) override {
    std::unique_lock lock(script_.mutex);
    script_.changed.wait(lock, [this] { return script_.may_open || script_.is_cancelled; });
    return script_.refusal ? Status(*script_.refusal) : Status();
  }
  bool is_remote() const override { return script_.is_remote; }
  void cancel() override {
    const std::lock_guard lock(script_.mutex);
    script_.is_cancelled = true;
    script_.changed.notify_all();
  }
  std::string_view rule() const override { return "faked"; }
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
    options_.path = options_.path.empty() ? "/%{h}" : options_.path;
    sink_ = std::make_unique<HdfsSink>(options_, std::make_unique<FakeStore>(script_));
    context_.grace_ms = grace_ms;
    context_.input_over = [this] { return is_over_; };
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
  bool is_over_ = false;
  std::unique_ptr<HdfsSink> sink_;
};

TEST_F(HdfsFailure, AnUnavailableServerIsTriedAgain) {
  start();
  script_.commits = {unavailable(), unavailable()};
  send("1");
  ASSERT_TRUE(drain(*sink_, 1).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"a/1\n"});
}

TEST_F(HdfsFailure, AfterTheEndOfTheInputTheGraceBoundsTheTries) {
  for (const Outcome& outcome : {unavailable(), quota()}) {
    start(150);
    is_over_ = true;
    script_.discarded = 0;
    script_.commits.assign(1'000, outcome);
    send("1");
    const Status status = drain(*sink_, 1);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, outcome.error.kind);
    EXPECT_EQ(sink_->safe(), 0u);
    ASSERT_TRUE(sink_->close().ok());
    EXPECT_GE(script_.discarded, 1);
  }
}

TEST_F(HdfsFailure, WhileInputMayComeThereIsNoEndOfTries) {
  start(1);
  script_.commits.assign(4, unavailable());
  send("1");
  ASSERT_TRUE(drain(*sink_, 1).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"a/1\n"});
}

TEST_F(HdfsFailure, TheEndOfTheInputBoundsWhatAlreadyWaits) {
  start(100);
  script_.commits.assign(1'000, quota());
  send("1");
  ASSERT_TRUE(sink_->commit(1).ok());
  ASSERT_TRUE(
      run_until(*sink_, [&] { return sink_->status().find("waiting") != std::string::npos; }).ok());
  EXPECT_GT(sink_->deadline_ms(), monotonic_ms() + 200);  // the slow retry
  is_over_ = true;
  EXPECT_LE(sink_->deadline_ms(), monotonic_ms());  // the bound is to be set now
  const Status status = run_until(*sink_, [] { return false; });
  EXPECT_EQ(status.error().kind, ErrorClass::io);
}

TEST_F(HdfsFailure, GiveUpAfterBoundsTheTriesAtAnyTime) {
  context_.give_up_ms = 120;
  start();
  script_.commits.assign(1'000, unavailable());
  send("1");
  const Status status = drain(*sink_, 1);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::unavailable);
  EXPECT_NE(status.error().message.find("tried for"), std::string::npos);
}

TEST_F(HdfsFailure, WhatAPersonHasToSettleIsSaidOnceAndTriedSlowly) {
  start();
  script_.commits = {quota(), quota()};
  send("1");
  send("2");
  testing::internal::CaptureStderr();
  ASSERT_TRUE(sink_->commit(2).ok());
  ASSERT_TRUE(
      run_until(*sink_, [&] { return sink_->status().find("waiting") != std::string::npos; }).ok());
  EXPECT_NE(sink_->status().find("1 file with 2 events waiting for"), std::string::npos)
      << sink_->status();
  EXPECT_NE(sink_->status().find("the quota is used up"), std::string::npos);
  EXPECT_GT(sink_->deadline_ms(), monotonic_ms() + 500);
  ASSERT_TRUE(drain(*sink_, 2).ok());
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(said.find("quota"), said.rfind("quota")) << said;
  EXPECT_NE(said.find("until it works"), std::string::npos) << said;
  EXPECT_NE(said.find("raise it"), std::string::npos) << said;
  EXPECT_NE(said.find("writing continues"), std::string::npos) << said;
  EXPECT_EQ(sink_->status().find("waiting"), std::string::npos);
  EXPECT_EQ(script_.files, std::vector<std::string>{"a/1\n2\n"});
}

TEST_F(HdfsFailure, AServerIsAwaitedWithoutReading) {
  script_.is_remote = true;
  script_.may_open = false;
  start();
  EXPECT_FALSE(sink_->ready());
  EXPECT_EQ(sink_->status(), "waiting for nowhere");
  ASSERT_TRUE(sink_->progress().ok());
  EXPECT_FALSE(sink_->ready());
  {
    const std::lock_guard lock(script_.mutex);
    script_.may_open = true;
    script_.changed.notify_all();
  }
  ASSERT_TRUE(run_until(*sink_, [&] { return sink_->ready(); }).ok());
  send("1");
  ASSERT_TRUE(drain(*sink_, 1).ok());
}

TEST_F(HdfsFailure, AServerThatRefusesAtTheStartEndsTheStage) {
  script_.is_remote = true;
  script_.refusal = Error{ErrorClass::permission, "no ticket", {}};
  start();
  const Status status = run_until(*sink_, [&] { return sink_->ready(); });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::permission);
  EXPECT_FALSE(sink_->ready());
}

TEST_F(HdfsFailure, ClosingWhileAServerIsAwaitedCancelsThat) {
  script_.is_remote = true;
  script_.may_open = false;
  start();
  ASSERT_TRUE(sink_->close().ok());
  EXPECT_TRUE(script_.is_cancelled);
}

// Keeps what it gets, or has no place for it.
class FakeRejects final : public Rejects {
 public:
  Status reject(const Event& event, const Error& why) override {
    if (is_off) {
      return why;
    }
    kept.push_back(std::string(event.body()) + ": " + why.message);
    return {};
  }
  std::vector<std::string> kept;
  bool is_off = false;
};

TEST_F(HdfsFailure, AnEventWithoutTheTimeItsPathNeedsIsADeadLetter) {
  options_.path = "/%Y";
  FakeRejects rejects;
  context_.rejects = &rejects;
  start();
  Events events;
  events.add("good", {{"timestamp", "0"}}).add("bad").add("worse", {{"timestamp", "x"}});
  events.add("fine", {{"timestamp", "1"}});
  ASSERT_TRUE(sink_->deliver(events.batch()).ok());
  ASSERT_EQ(rejects.kept.size(), 2u);
  EXPECT_NE(rejects.kept[0].find("bad: an event has no header 'timestamp'"), std::string::npos);
  ASSERT_TRUE(drain(*sink_, 4).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"1970/good\nfine\n"});

  rejects.is_off = true;
  Events more;
  more.add("bad");
  const Status status = sink_->deliver(more.batch());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorClass::input);
  EXPECT_NE(status.error().hint.find("fl-intercept ts"), std::string::npos);
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
                return figure_words(*sink_).find("1 committed") != std::string::npos;
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
                return figure_words(*sink_).find("1 committed") != std::string::npos;
              }).ok());
  EXPECT_EQ(script_.files, std::vector<std::string>{"large/123456\n"});
  script_.has_room = true;
  EXPECT_TRUE(sink_->ready());
  ASSERT_TRUE(drain(*sink_, 3).ok());
}

// Property: hdfs.maxOpenFiles
TEST_F(HdfsFailure, FiveThousandBucketsWithAHundredOpen) {
  constexpr int kBuckets = 5'000;
  options_.max_open_files = 100;
  start();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kBuckets; ++i) {
      ASSERT_TRUE(run_until(*sink_, [&] { return sink_->ready(); }).ok());
      send(std::to_string(round), std::to_string(i));
    }
  }
  EXPECT_NE(figure_words(*sink_).find("100 files open"), std::string::npos) << figure_words(*sink_);
  ASSERT_TRUE(drain(*sink_, std::size_t{2} * kBuckets).ok());
  ASSERT_EQ(script_.files.size(), std::size_t{2} * kBuckets);
  std::map<std::string, std::string> found;
  for (const std::string& file : script_.files) {
    const std::size_t slash = file.find('/');
    found[file.substr(0, slash)] += file.substr(slash + 1);
  }
  EXPECT_EQ(found.size(), static_cast<std::size_t>(kBuckets));
  for (const auto& [bucket, content] : found) {
    EXPECT_EQ(content, "0\n1\n") << bucket;
  }
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
