// A source that follows 10,000 files and waits on one descriptor, as small as it can be, under
// run_stage() itself. Each call of the contract that it needs is left out once, and the same trial
// must then fail.
#include <gtest/gtest.h>
#include <sys/inotify.h>

#include <deque>
#include <filesystem>
#include <map>
#include <set>

#include "common/io/poll_set.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

using test::content_of;
using test::eventually;
using test::line_sink_plan;
using test::make_pipe;
using test::Pipe;
using test::StageDir;
using test::StageProcess;

constexpr std::size_t kFiles = 10'000;
constexpr std::int64_t kLimitMs = 60'000;
constexpr std::int64_t kForgetfulMs = 1'500;
constexpr std::int64_t kQuietMs = 20;  // then a line without its newline is one
constexpr std::size_t kMostDescriptors = 40;

enum class Forgets { nothing, watch, handle, deadline, acked };

/// Reads what is appended to the files of a directory; one inotify descriptor reports all. Where it
/// was in each file is appended to `state` as events are acknowledged.
class TailSource final : public Source {
 public:
  TailSource(std::string directory, std::string state, Forgets forgets)
      : directory_(std::move(directory)), state_(std::move(state)), forgets_(forgets) {}

  Status open(const StageContext&) override {
    std::ifstream known(state_);
    for (std::string name; known >> name;) {
      known >> offsets_[name];
    }
    notify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    ::inotify_add_watch(notify_.get(), directory_.c_str(), IN_MODIFY);
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      changed_.insert(entry.path().filename().string());
    }
    state_fd_.reset(::open(state_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    return {};
  }
  bool has_state() const override { return true; }
  int wait_fd() const override { return notify_.get(); }
  void watch(PollSet& set, bool room) override {
    if (forgets_ != Forgets::watch) {
      Source::watch(set, room);
    }
  }
  Status handle(const PollSet& set) override {
    return forgets_ == Forgets::handle ? Status() : Source::handle(set);
  }
  std::int64_t deadline_ms() const override {
    return forgets_ == Forgets::deadline || unfinished_.empty() ? -1 : quiet_at_ms_;
  }

  Result<State> produce(BlockBuilder& out) override {
    take_names();
    const bool is_quiet = !unfinished_.empty() && monotonic_ms() >= quiet_at_ms_;
    if (is_quiet) {
      changed_.merge(std::exchange(unfinished_, {}));
    }
    while (!changed_.empty() && out.count() < BlockBuilder::kMaxCount / 2) {
      const std::string name = changed_.extract(changed_.begin()).value();
      read(name, is_quiet, out);
    }
    return changed_.empty() ? State::wait : State::more;
  }
  Status acked(std::uint64_t n) override {
    std::string lines;
    for (; acked_ < n && forgets_ != Forgets::acked; ++acked_) {
      const auto& [name, offset] = sent_.front();
      lines += name + ' ' + std::to_string(offset) + '\n';
      sent_.pop_front();
    }
    test::write_all(state_fd_.get(), lines);
    return {};
  }

 private:
  void take_names() {
    alignas(inotify_event) char bytes[1 << 16];
    for (ssize_t n = 0; (n = ::read(notify_.get(), bytes, sizeof bytes)) > 0;) {
      for (const char* p = bytes; p < bytes + n;) {
        const auto* const event = reinterpret_cast<const inotify_event*>(p);
        changed_.insert(event->name);
        p += sizeof(inotify_event) + event->len;
      }
    }
  }

  void read(const std::string& name, bool is_quiet, BlockBuilder& out) {
    std::ifstream file(directory_ + "/" + name);
    std::uint64_t& offset = offsets_[name];
    file.seekg(static_cast<std::streamoff>(offset));
    for (std::string line; std::getline(file, line);) {
      if (file.eof() && !is_quiet) {
        unfinished_.insert(name);
        quiet_at_ms_ = monotonic_ms() + kQuietMs;
        return;
      }
      offset += line.size() + (file.eof() ? 0 : 1);
      if (line.empty()) {
        continue;  // the newline of a line that was given out without it
      }
      out.add({}, line);
      sent_.emplace_back(name, offset);
    }
  }

  const std::string directory_;
  const std::string state_;
  const Forgets forgets_;
  UniqueFd notify_;
  UniqueFd state_fd_;
  std::map<std::string, std::uint64_t> offsets_;
  std::set<std::string> changed_;
  std::set<std::string> unfinished_;
  std::int64_t quiet_at_ms_ = -1;
  std::deque<std::pair<std::string, std::uint64_t>> sent_;
  std::uint64_t acked_ = 0;
};

class Trial {
 public:
  Trial(Forgets forgets, std::size_t files) : forgets_(forgets), files_(files) {
    std::filesystem::create_directory(dir_.file("logs"));
    for (std::size_t i = 0; i < files_; ++i) {
      std::ofstream file(path(i));
    }
  }

  /// What went wrong first; empty: nothing.
  std::string run(std::int64_t ms) {
    start();
    for (std::size_t i = 0; i < files_; ++i) {
      append(i, "first of " + std::to_string(i) + "\n");
    }
    if (!come(ms)) {
      return "lines are missing";
    }
    if (descriptors() > kMostDescriptors) {
      return "it holds " + std::to_string(descriptors()) + " descriptors";
    }
    // One at a time: each has to wake it.
    for (std::size_t i = 0; i < 20; ++i) {
      append(i * (files_ / 20), "second\n");
      if (!come(ms)) {
        return "a line is missing";
      }
    }
    append(files_ / 2, "unfinished");
    if (!come(ms)) {
      return "an unfinished line is missing";
    }
    if (const std::string problem = stop(ms); !problem.empty()) {
      return problem;
    }
    // The next run continues where the acknowledgements ended.
    append(files_ - 1, "later\n");
    start();
    if (!come(ms)) {
      return "after a restart other lines come";
    }
    return stop(ms);
  }

  std::string said() const { return content_of(dir_.file("messages")); }

 private:
  std::string path(std::size_t i) const { return dir_.file("logs/" + std::to_string(i) + ".log"); }
  void append(std::size_t i, const std::string& text) {
    std::ofstream(path(i), std::ios::app) << text;
    expected_.insert(text.substr(0, text.find('\n')));
  }

  void start() {
    Pipe pipe = make_pipe();
    source_ = std::make_unique<StageProcess>(
        [this] {
          Plan plan;
          plan.name = "fl-source tail";
          plan.kind = ComponentKind::source;
          plan.options.ack_wait.ms = 10'000;
          plan.source =
              std::make_unique<TailSource>(dir_.file("logs"), dir_.file("state"), forgets_);
          return plan;
        },
        -1, pipe.write.get(), dir_.file("messages"));
    sink_ = std::make_unique<StageProcess>([this] { return line_sink_plan(dir_.file("result")); },
                                           pipe.read.get(), -1, dir_.file("messages"));
  }

  std::string stop(std::int64_t ms) {
    source_->send(SIGTERM);
    if (const int status = source_->wait(ms); status != 0) {
      return "the source ends with " + std::to_string(status);
    }
    const int status = sink_->wait(ms);
    return status == 0 ? "" : "the sink ends with " + std::to_string(status);
  }

  // All lines that were written, and no other.
  bool come(std::int64_t ms) {
    std::size_t size = 0;
    for (const std::string& line : expected_) {
      size += line.size() + 1;
    }
    std::error_code none;
    const std::string path = dir_.file("result");
    eventually([&] { return std::filesystem::file_size(path, none) >= size && !none; }, ms);
    std::ifstream file(path);
    std::multiset<std::string> lines;
    for (std::string line; std::getline(file, line);) {
      lines.insert(line);
    }
    return lines == expected_;
  }

  std::size_t descriptors() const {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(source_->pid()) + "/fd")) {
      count += entry.path().empty() ? 0U : 1U;
    }
    return count;
  }

  const Forgets forgets_;
  const std::size_t files_;
  StageDir dir_;
  std::multiset<std::string> expected_;
  std::unique_ptr<StageProcess> source_;
  std::unique_ptr<StageProcess> sink_;
};

TEST(TailSource, TenThousandFilesAndOneDescriptor) {
  Trial trial(Forgets::nothing, kFiles);
  EXPECT_EQ(trial.run(kLimitMs), "") << trial.said();
}

TEST(TailSource, FailsWhenACallOfTheContractIsLeftOut) {
  const std::vector<std::pair<Forgets, std::string>> expected = {
      {Forgets::watch, "missing"},
      {Forgets::handle, "missing"},
      {Forgets::deadline, "an unfinished line is missing"},
      {Forgets::acked, "after a restart other lines come"},
  };
  for (const auto& [forgets, problem] : expected) {
    Trial trial(forgets, 100);
    const std::string found = trial.run(kForgetfulMs);
    EXPECT_NE(found.find(problem), std::string::npos) << problem << ", found: " << found;
  }
}

}  // namespace
}  // namespace fl
