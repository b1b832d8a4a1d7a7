// A sink whose destination confirms in another order than it was given, as small as it can be,
// under run_stage() itself. Each call of the contract that it needs is left out once, and the same
// trial must then fail; so must one whose safe() counts confirmations instead of their prefix.
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "common/io/poll_set.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

using test::content_of;
using test::make_pipe;
using test::Pipe;
using test::StageDir;
using test::StageProcess;

constexpr std::uint64_t kNumbers = 3'000;
constexpr std::uint64_t kWindow = 8'192;
constexpr std::uint64_t kBatch = 700;       // given to the destination; fewer only on commit()
constexpr std::size_t kInFlight = 2'000;    // more are not taken
constexpr std::uint64_t kRefusedOnce = 97;  // each event of this number is refused at first
constexpr std::int64_t kAgainMs = 10;
constexpr std::int64_t kLimitMs = 30'000;
constexpr std::int64_t kForgetfulMs = 1'500;

enum class Forgets { nothing, watch, handle, deadline, commit, prefix };

/// Confirms each event of what it is given from the last to the first, on a thread of its own, by a
/// byte in a file: byte n is '1' when event n is stored.
class Destination {
 public:
  explicit Destination(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644)),
        confirmed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        thread_([this] { confirm(); }) {}
  ~Destination() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      is_over_ = true;
    }
    given_.notify_one();
    thread_.join();
  }
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

  int fd() const { return confirmed_.get(); }
  void store(const std::vector<std::uint64_t>& events) {
    const std::lock_guard<std::mutex> lock(mutex_);
    jobs_.insert(jobs_.end(), events.begin(), events.end());
    given_.notify_one();
  }
  std::vector<std::uint64_t> stored() { return take(stored_); }
  std::vector<std::uint64_t> refused() { return take(refused_); }

 private:
  std::vector<std::uint64_t> take(std::vector<std::uint64_t>& from) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(from, {});
  }
  void confirm() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      given_.wait(lock, [this] { return is_over_ || !jobs_.empty(); });
      if (is_over_) {
        return;
      }
      std::vector<std::uint64_t> jobs = std::exchange(jobs_, {});
      std::reverse(jobs.begin(), jobs.end());
      for (const std::uint64_t event : jobs) {
        if (event % kRefusedOnce == 0 && refused_before_.insert(event).second) {
          refused_.push_back(event);
        } else {
          (void)::pwrite(fd_.get(), "1", 1, static_cast<off_t>(event));
          stored_.push_back(event);
        }
        lock.unlock();
        ::eventfd_write(confirmed_.get(), 1);
        lock.lock();
      }
    }
  }

  UniqueFd fd_;
  UniqueFd confirmed_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable given_;
  std::vector<std::uint64_t> jobs_;
  std::vector<std::uint64_t> stored_;
  std::vector<std::uint64_t> refused_;
  std::set<std::uint64_t> refused_before_;
  bool is_over_ = false;
  std::thread thread_;
};

class UnorderedSink final : public Sink {
 public:
  UnorderedSink(std::string path, Forgets forgets) : path_(std::move(path)), forgets_(forgets) {}

  Status open(const StageContext&) override {
    destination_ = std::make_unique<Destination>(path_);
    return {};
  }
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::durable, "stored"};
  }
  bool ready() const override { return delivered_ - safe_ < kInFlight; }
  Status deliver(const Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      waiting_.push_back(delivered_++);
    }
    if (waiting_.size() >= kBatch) {
      give();
    }
    return {};
  }
  Status commit(std::uint64_t) override {
    if (forgets_ != Forgets::commit) {
      give();
    }
    return {};
  }
  void watch(PollSet& set, bool) override {
    index_ = forgets_ == Forgets::watch ? -1 : set.add(destination_->fd(), POLLIN);
  }
  std::int64_t deadline_ms() const override {
    return forgets_ == Forgets::deadline || again_.empty() ? -1 : again_at_ms_;
  }
  Status handle(const PollSet& set) override {
    if (forgets_ == Forgets::handle) {
      return {};
    }
    std::uint64_t times = 0;
    if (set.revents(index_) != 0 && ::read(destination_->fd(), &times, sizeof times) > 0) {
      for (const std::uint64_t event : destination_->stored()) {
        ++confirmed_;
        done_.insert(event);
      }
      while (!done_.empty() && *done_.begin() == safe_) {
        done_.erase(done_.begin());
        ++safe_;
      }
      for (const std::uint64_t event : destination_->refused()) {
        again_.push_back(event);
        again_at_ms_ = monotonic_ms() + kAgainMs;
      }
    }
    if (deadline_ms() >= 0 && monotonic_ms() >= again_at_ms_) {
      destination_->store(std::exchange(again_, {}));
    }
    return {};
  }
  std::uint64_t safe() const override { return forgets_ == Forgets::prefix ? confirmed_ : safe_; }
  Status close() override {
    destination_.reset();
    return {};
  }

 private:
  void give() { destination_->store(std::exchange(waiting_, {})); }

  const std::string path_;
  const Forgets forgets_;
  std::unique_ptr<Destination> destination_;
  int index_ = -1;
  std::vector<std::uint64_t> waiting_;  // not given yet
  std::vector<std::uint64_t> again_;    // refused
  std::int64_t again_at_ms_ = -1;
  std::set<std::uint64_t> done_;  // confirmed, and something before them is not
  std::uint64_t delivered_ = 0;
  std::uint64_t confirmed_ = 0;
  std::uint64_t safe_ = 0;
};

/// Numbers; checks each acknowledgement against the file of the destination.
class CheckingSource final : public Source {
 public:
  explicit CheckingSource(std::string path) : path_(std::move(path)) {}
  bool has_state() const override { return true; }
  Result<State> produce(BlockBuilder& out) override {
    for (; next_ < kNumbers; ++next_) {
      const std::string body = std::to_string(next_);
      if (!out.fits(BlockBuilder::event_size({}, body))) {
        return State::more;
      }
      out.add({}, body);
    }
    return State::end;
  }
  Status acked(std::uint64_t n) override {
    const std::string stored = content_of(path_);
    const bool is_true = stored.size() >= n && stored.find_first_not_of('1') >= n;
    return is_true ? Status() : Error{ErrorClass::bug, "acknowledged and not stored", {}};
  }

 private:
  const std::string path_;
  std::uint64_t next_ = 0;
};

// source | sink. What went wrong first; empty: nothing.
std::string trial(Forgets forgets, std::int64_t ms) {
  const StageDir dir;
  const std::string path = dir.file("stored");
  Pipe pipe = make_pipe();
  StageProcess source(
      [&] {
        Plan plan;
        plan.name = "fl-source numbers";
        plan.kind = ComponentKind::source;
        plan.options.window.value = kWindow;
        plan.options.ack_wait.ms = 10'000;
        plan.source = std::make_unique<CheckingSource>(path);
        return plan;
      },
      -1, pipe.write.get(), dir.file("messages"));
  StageProcess sink(
      [&] {
        Plan plan;
        plan.name = "fl-sink unordered";
        plan.kind = ComponentKind::sink;
        plan.options.stream = true;
        plan.sink = std::make_unique<UnorderedSink>(path, forgets);
        return plan;
      },
      pipe.read.get(), -1, dir.file("messages"));
  pipe = {};
  if (const int status = source.wait(ms); status != 0) {
    return "the source ends with " + std::to_string(status);
  }
  if (const int status = sink.wait(ms); status != 0) {
    return "the sink ends with " + std::to_string(status);
  }
  return content_of(path) == std::string(kNumbers, '1') ? "" : "not all is stored";
}

TEST(UnorderedSink, OnlyThePrefixIsAcknowledged) {
  EXPECT_EQ(trial(Forgets::nothing, kLimitMs), "");
}

TEST(UnorderedSink, FailsWhenACallOfTheContractIsLeftOut) {
  for (const Forgets forgets :
       {Forgets::watch, Forgets::handle, Forgets::deadline, Forgets::commit}) {
    EXPECT_EQ(trial(forgets, kForgetfulMs), "the source ends with -1") << static_cast<int>(forgets);
  }
  EXPECT_EQ(trial(Forgets::prefix, kLimitMs), "the source ends with 70");
}

}  // namespace
}  // namespace fl
