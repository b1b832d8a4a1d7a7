// A sink that has failed is not asked to make anything safe: a second fdatasync(2) of the same data
// would succeed, and what is lost would be acknowledged. The demand arrives together with the
// failure, under run_stage() itself.
#include <gtest/gtest.h>

#include <fstream>

#include "common/io/poll_set.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

using test::content_of;
using test::eventually;
using test::make_pipe;
using test::Pipe;
using test::StageDir;
using test::StageProcess;

constexpr std::uint64_t kNumbers = 100;
constexpr std::int64_t kLookMs = 5;
constexpr std::int64_t kLimitMs = 30'000;

void note(const std::string& path) { std::ofstream(path) << "yes"; }
bool noted(const std::string& path) { return !content_of(path).empty(); }

/// Waits, and wants its acknowledgements when the sink has everything; notes that it did.
class WantingSource final : public Source {
 public:
  explicit WantingSource(const StageDir& dir)
      : delivered_(dir.file("delivered")), wanted_(dir.file("wanted")) {}
  bool has_state() const override { return true; }
  bool needs_acks() const override { return wants_; }
  Result<State> produce(BlockBuilder& out) override {
    for (; next_ < kNumbers; ++next_) {
      out.add({}, std::to_string(next_));
    }
    wants_ = noted(delivered_);
    return State::wait;
  }
  bool ready() const override { return true; }
  void watch(PollSet& set, bool room) override {
    if (wants_) {
      note(wanted_);
    }
    Source::watch(set, room);
  }
  std::int64_t deadline_ms() const override { return monotonic_ms() + kLookMs; }

 private:
  const std::string delivered_;
  const std::string wanted_;
  std::uint64_t next_ = 0;
  bool wants_ = false;
};

/// Fails on the turn on which it could learn that its events are wanted.
class FailingSink final : public Sink {
 public:
  explicit FailingSink(const StageDir& dir)
      : delivered_(dir.file("delivered")),
        wanted_(dir.file("wanted")),
        committed_(dir.file("committed")) {}
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::durable, "stored"};
  }
  Status deliver(const Batch& batch) override {
    count_ += batch.size();
    if (count_ == kNumbers) {
      note(delivered_);
    }
    return {};
  }
  Status commit(std::uint64_t) override {
    note(committed_);
    safe_ = count_;
    return {};
  }
  void watch(PollSet&, bool) override {
    fails_ = count_ == kNumbers && eventually([this] { return noted(wanted_); }, kLimitMs);
  }
  Status handle(const PollSet&) override {
    return fails_ ? Error{ErrorClass::io, "cannot sync", {}} : Status();
  }
  std::uint64_t safe() const override { return safe_; }

 private:
  const std::string delivered_;
  const std::string wanted_;
  const std::string committed_;
  std::uint64_t count_ = 0;
  std::uint64_t safe_ = 0;
  bool fails_ = false;
};

TEST(FailedSink, IsNotAskedToMakeAnythingSafe) {
  const StageDir dir;
  Pipe pipe = make_pipe();
  StageProcess source(
      [&] {
        Plan plan;
        plan.name = "fl-source wanting";
        plan.kind = ComponentKind::source;
        plan.source = std::make_unique<WantingSource>(dir);
        return plan;
      },
      -1, pipe.write.get(), dir.file("messages"));
  StageProcess sink(
      [&] {
        Plan plan;
        plan.name = "fl-sink failing";
        plan.kind = ComponentKind::sink;
        plan.options.stream = true;
        plan.sink = std::make_unique<FailingSink>(dir);
        return plan;
      },
      pipe.read.get(), -1, dir.file("messages"));
  pipe = {};
  EXPECT_EQ(sink.wait(kLimitMs), 74) << content_of(dir.file("messages"));
  EXPECT_EQ(source.wait(kLimitMs), 75) << content_of(dir.file("messages"));
  EXPECT_TRUE(noted(dir.file("wanted")));
  EXPECT_FALSE(noted(dir.file("committed")));
}

}  // namespace
}  // namespace fl
