// A log as small as it can be: a channel over one file whose halves run in one process or in two,
// under run_stage() itself. Each call that the contract of Component, ChannelPut and ChannelTake
// promises is left out once, and the same trial must then fail.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

#include "common/io/poll_set.h"
#include "tests/support/stage_process.h"

namespace fl {
namespace {

using test::content_of;
using test::eventually;
using test::line_sink_plan;
using test::make_pipe;
using test::number_lines;
using test::Pipe;
using test::StageDir;
using test::StageProcess;
using test::write_all;

constexpr std::int64_t kLimitMs = 30'000;
constexpr std::int64_t kForgetfulMs = 1'500;  // a stage that waits for a forgotten call
constexpr std::int64_t kLookMs = 10;
constexpr std::uint64_t kNumbers = 5'000;
constexpr std::uint64_t kWindow = 4'096;  // of the source: it cannot end without being acknowledged

/// The call of the contract that the runner forgets.
enum class Forgets {
  nothing,
  put_watch,
  put_handle,
  commit,
  take_handle,
  take_deadline,
  take_acked,
  put_over,
  positions,
  position,
};

/// Before each block in the file, and before a position, which is of the block that follows. All 0:
/// the writer has ended.
struct RecordHead {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  std::uint64_t position_bytes = 0;
};

/// Appends at once; a thread syncs what was asked for. A block and the position that it reaches are
/// one record, written with one call. Where a source has positions, what follows its last one is
/// not acknowledged, and cut off by the next process.
class LogPut final : public ChannelPut {
 public:
  LogPut(std::string path, bool is_alone) : path_(std::move(path)), is_alone_(is_alone) {}
  ~LogPut() override { stop_thread(); }

  Traits traits() const override { return {.durable = true, .acks_at_put = true}; }
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::durable, "written and synced"};
  }
  Status open(const StageContext&) override {
    fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    recover();
    synced_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    thread_ = std::thread([this] { sync_when_asked(); });
    return {};
  }
  void watch(PollSet& set, bool) override { index_ = set.add(synced_.get(), POLLIN); }
  Status handle(const PollSet& set) override {
    std::uint64_t times = 0;
    if (set.revents(index_) != 0 && ::read(synced_.get(), &times, sizeof times) > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      safe_ = done_;
    }
    return {};
  }
  bool ready() const override { return true; }
  std::optional<std::vector<Position>> positions() const override { return kept_; }
  Status position(std::uint64_t n, const Position& position) override {
    reached_ = n;
    next_ += position.text().value_or("") + "\n";
    if (n <= put_) {
      append({}, nullptr);
    }
    return {};
  }
  Status put(const Block& block) override {
    put_ += block.count;
    append({block.size, block.count}, block.data);
    return {};
  }
  std::uint64_t safe() const override { return safe_; }
  Status commit(std::uint64_t) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    wanted_ = covered();
    asked_.notify_one();
    return {};
  }
  Result<bool> input_over() override {
    if (!end_written_ && is_alone_) {
      append({}, nullptr);
    }
    if (!end_written_) {
      end_written_ = true;
      (void)LogPut::commit(put_);
    }
    return safe_ == covered();
  }
  Status close() override {
    stop_thread();
    return {};
  }

 private:
  std::uint64_t covered() const { return reached_ == 0 ? put_ : std::min(reached_, put_); }
  void append(RecordHead head, void* bytes) {
    head.position_bytes = next_.size();
    iovec parts[] = {{&head, sizeof head}, {next_.data(), next_.size()}, {bytes, head.bytes}};
    EXPECT_EQ(::writev(fd_.get(), parts, 3),
              static_cast<ssize_t>(sizeof head + next_.size() + head.bytes));
    next_.clear();
  }
  // What an earlier process left: its positions, and the end of what they cover.
  void recover() {
    const std::string log = content_of(path_);
    std::size_t covered = 0;
    for (std::size_t at = 0; at + sizeof(RecordHead) <= log.size();) {
      RecordHead head;
      std::memcpy(&head, log.data() + at, sizeof head);
      at += sizeof head;
      for (std::size_t end = at + head.position_bytes; at < end;) {
        const std::size_t line = log.find('\n', at) - at;
        remember(*Position::parse(std::string_view(log).substr(at, line)));
        at += line + 1;
      }
      at += head.bytes;
      covered = head.position_bytes > 0 ? at : covered;
    }
    if (!kept_.empty()) {
      EXPECT_EQ(::ftruncate(fd_.get(), static_cast<off_t>(covered)), 0);
    }
  }
  void remember(Position position) {
    std::erase_if(kept_, [&](const Position& old) { return old.source == position.source; });
    kept_.push_back(std::move(position));
  }
  void sync_when_asked() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      asked_.wait(lock, [this] { return is_over_ || wanted_ > done_; });
      if (is_over_) {
        return;
      }
      const std::uint64_t target = wanted_;
      lock.unlock();
      ::fdatasync(fd_.get());
      lock.lock();
      done_ = target;
      ::eventfd_write(synced_.get(), 1);
    }
  }
  void stop_thread() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      is_over_ = true;
    }
    asked_.notify_one();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  const std::string path_;
  const bool is_alone_;
  UniqueFd fd_;
  UniqueFd synced_;
  int index_ = -1;
  std::uint64_t put_ = 0;
  std::uint64_t safe_ = 0;
  std::vector<Position> kept_;
  std::string next_;           // positions of the next record
  std::uint64_t reached_ = 0;  // by the last position
  bool end_written_ = false;
  std::thread thread_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable asked_;
  std::uint64_t wanted_ = 0;
  std::uint64_t done_ = 0;
  bool is_over_ = false;
};

/// Looks at the file's size by a timer; keeps the acknowledged position in a second file.
class LogTake final : public ChannelTake {
 public:
  LogTake(std::string path, bool is_alone) : path_(std::move(path)), is_alone_(is_alone) {}

  Traits traits() const override { return {.replays = true, .drains_on_stop = false}; }
  Status open(const StageContext&) override {
    fd_.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    position_.reset(::open((path_ + ".position").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    (void)::pread(position_.get(), &offset_, sizeof offset_, 0);
    look();
    return {};
  }
  std::int64_t deadline_ms() const override { return look_at_ms_; }
  Status handle(const PollSet&) override {
    if (monotonic_ms() >= look_at_ms_) {
      look();
    }
    return {};
  }
  Block* front() override {
    RecordHead head;
    while (block_.count == 0 && offset_ + sizeof head <= size_) {
      (void)::pread(fd_.get(), &head, sizeof head, static_cast<off_t>(offset_));
      const std::uint64_t events = offset_ + sizeof head + head.position_bytes;
      if (events + head.bytes > size_) {
        break;  // it is being appended
      }
      memory_.resize(Block::kBefore + head.bytes + Block::kAfter);
      (void)::pread(fd_.get(), memory_.data() + Block::kBefore, head.bytes,
                    static_cast<off_t>(events));
      offset_ = events + head.bytes;
      block_ = {memory_.data() + Block::kBefore, head.bytes, head.count};
      has_ended_ = head.count == 0 && head.position_bytes == 0;
    }
    return block_.count == 0 ? nullptr : &block_;
  }
  void pop() override {
    taken_ += block_.count;
    marks_.push_back({taken_, offset_});
    block_ = {};
  }
  bool over() const override {
    return block_.count == 0 && offset_ == size_ && (is_alone_ ? has_ended_ : put_is_over_);
  }
  void put_over() override {
    put_is_over_ = true;
    look();
  }
  Status acked(std::uint64_t n) override {
    std::uint64_t offset = 0;
    for (; !marks_.empty() && marks_.front().events <= n; marks_.pop_front()) {
      offset = marks_.front().offset;
    }
    if (offset != 0) {
      (void)::pwrite(position_.get(), &offset, sizeof offset, 0);
    }
    return {};
  }

 private:
  struct Mark {
    std::uint64_t events;
    std::uint64_t offset;
  };
  void look() {
    struct stat info {};
    ::fstat(fd_.get(), &info);
    size_ = static_cast<std::uint64_t>(info.st_size);
    look_at_ms_ = monotonic_ms() + kLookMs;
  }

  const std::string path_;
  const bool is_alone_;
  UniqueFd fd_;
  UniqueFd position_;
  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
  std::int64_t look_at_ms_ = -1;
  std::vector<std::uint8_t> memory_;
  Block block_;
  bool has_ended_ = false;
  bool put_is_over_ = false;
  std::uint64_t taken_ = 0;
  std::deque<Mark> marks_;
};

/// A runner that forgets a call is a half that does not get it.
class ForgetfulPut final : public ChannelPut {
 public:
  ForgetfulPut(std::unique_ptr<ChannelPut> put, Forgets forgets)
      : put_(std::move(put)), forgets_(forgets) {}
  Traits traits() const override { return put_->traits(); }
  std::optional<Guarantee> guarantee() const override { return put_->guarantee(); }
  Status open(const StageContext& context) override { return put_->open(context); }
  void watch(PollSet& set, bool room) override {
    if (forgets_ != Forgets::put_watch) {
      put_->watch(set, room);
    }
  }
  Status handle(const PollSet& set) override {
    return forgets_ == Forgets::put_handle ? Status() : put_->handle(set);
  }
  bool ready() const override { return put_->ready(); }
  std::optional<std::vector<Position>> positions() const override {
    return forgets_ == Forgets::positions ? std::nullopt : put_->positions();
  }
  Status position(std::uint64_t n, const Position& position) override {
    return forgets_ == Forgets::position ? Status() : put_->position(n, position);
  }
  Status put(const Block& block) override { return put_->put(block); }
  std::uint64_t safe() const override { return put_->safe(); }
  Status commit(std::uint64_t n) override {
    return forgets_ == Forgets::commit ? Status() : put_->commit(n);
  }
  Result<bool> input_over() override { return put_->input_over(); }
  Status close() override { return put_->close(); }

 private:
  const std::unique_ptr<ChannelPut> put_;
  const Forgets forgets_;
};

class ForgetfulTake final : public ChannelTake {
 public:
  ForgetfulTake(std::unique_ptr<ChannelTake> take, Forgets forgets)
      : take_(std::move(take)), forgets_(forgets) {}
  Traits traits() const override { return take_->traits(); }
  Status open(const StageContext& context) override { return take_->open(context); }
  void watch(PollSet& set, bool room) override { take_->watch(set, room); }
  std::int64_t deadline_ms() const override {
    return forgets_ == Forgets::take_deadline ? -1 : take_->deadline_ms();
  }
  Status handle(const PollSet& set) override {
    return forgets_ == Forgets::take_handle ? Status() : take_->handle(set);
  }
  Block* front() override { return take_->front(); }
  void pop() override { take_->pop(); }
  bool over() const override { return take_->over(); }
  void put_over() override {
    if (forgets_ != Forgets::put_over) {
      take_->put_over();
    }
  }
  Status acked(std::uint64_t n) override {
    return forgets_ == Forgets::take_acked ? Status() : take_->acked(n);
  }

 private:
  const std::unique_ptr<ChannelTake> take_;
  const Forgets forgets_;
};

/// Numbers from 0 on; it keeps state, so nothing may be forgotten before it is acknowledged. What
/// it has of its own is lost in every crash: only the log knows where it was.
class NumberSource final : public Source {
 public:
  explicit NumberSource(std::uint64_t end = kNumbers) : end_(end) {}
  std::string position_name() const override { return "numbers"; }
  Status resume(const std::optional<std::string>& place) override {
    next_ = place ? std::stoull(*place) : 0;
    return {};
  }
  std::optional<std::string> position() override { return std::to_string(next_); }
  Result<State> produce(BlockBuilder& out) override {
    for (; next_ < end_; ++next_) {
      const std::string body = std::to_string(next_);
      if (!out.fits(BlockBuilder::event_size({}, body))) {
        return State::more;
      }
      out.add({}, body);
    }
    return State::end;
  }
  bool has_state() const override { return true; }

 private:
  const std::uint64_t end_;
  std::uint64_t next_ = 0;
};

/// Changes the counts: of three numbers in a row it drops the first, and the second grows.
class UnevenInterceptor final : public Interceptor {
 public:
  Status process(Batch& batch) override {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::string body(batch[i].body());
      if (std::stoull(body) % 3 == 0) {
        batch.drop(i);
      } else if (std::stoull(body) % 3 == 1) {
        batch.put(i, "grown", std::string(100, 'x'), Batch::Existing::replace);
      }
    }
    return {};
  }
};

Plan uneven_plan() {
  Plan plan;
  plan.name = "fl-intercept uneven";
  plan.kind = ComponentKind::interceptor;
  plan.components = {"uneven"};
  plan.options.stream = true;
  plan.interceptors.push_back(std::make_unique<UnevenInterceptor>());
  return plan;
}

std::string uneven_lines() {
  std::string lines;
  for (std::uint64_t i = 0; i < kNumbers; ++i) {
    lines += i % 3 == 0 ? "" : std::to_string(i) + "\n";
  }
  return lines;
}

Plan number_source_plan() {
  Plan plan;
  plan.name = "fl-source numbers";
  plan.kind = ComponentKind::source;
  plan.options.window.value = kWindow;
  plan.source = std::make_unique<NumberSource>();
  return plan;
}

class Log {
 public:
  explicit Log(Forgets forgets = Forgets::nothing, std::int64_t ack_wait_ms = 10'000)
      : forgets_(forgets), ack_wait_ms_(ack_wait_ms) {}

  std::string path() const { return dir_.file("log"); }
  std::string result() const { return dir_.file("result"); }
  std::string messages() const { return dir_.file("messages"); }
  std::string said() const { return content_of(messages()); }

  Plan put_plan(bool text) const {
    Plan plan = channel_plan();
    plan.options.text = text;
    plan.options.stream = !text;
    plan.channel.put =
        std::make_unique<ForgetfulPut>(std::make_unique<LogPut>(path(), true), forgets_);
    return plan;
  }
  Plan take_plan() const {
    Plan plan = channel_plan();
    plan.channel.take =
        std::make_unique<ForgetfulTake>(std::make_unique<LogTake>(path(), true), forgets_);
    return plan;
  }
  Plan both_plan() const {
    Plan plan = channel_plan();
    plan.channel.put =
        std::make_unique<ForgetfulPut>(std::make_unique<LogPut>(path(), false), forgets_);
    plan.channel.take =
        std::make_unique<ForgetfulTake>(std::make_unique<LogTake>(path(), false), forgets_);
    return plan;
  }

  std::unique_ptr<StageProcess> start(const std::function<Plan()>& plan, int in, int out) const {
    return std::make_unique<StageProcess>(plan, in, out, messages());
  }
  std::unique_ptr<StageProcess> start_put(bool text, int in) const {
    return start([this, text] { return put_plan(text); }, in, -1);
  }
  std::unique_ptr<StageProcess> start_take(int out) const {
    return start([this] { return take_plan(); }, -1, out);
  }
  std::unique_ptr<StageProcess> start_sink(int in) const {
    return start([this] { return line_sink_plan(result()); }, in, -1);
  }
  /// take | sink. What went wrong; empty: nothing.
  std::string take_all(std::int64_t ms) const {
    Pipe pipe = make_pipe();
    const auto take = start_take(pipe.write.get());
    const auto sink = start_sink(pipe.read.get());
    pipe = {};
    if (const int status = take->wait(ms); status != 0) {
      return "take ends with " + std::to_string(status);
    }
    const int status = sink->wait(ms);
    return status == 0 ? "" : "the sink ends with " + std::to_string(status);
  }
  void put_text(const std::string& text) const {
    Pipe pipe = make_pipe();
    const auto put = start_put(true, pipe.read.get());
    pipe.read.reset();
    write_all(pipe.write.get(), text);
    pipe.write.reset();
    EXPECT_EQ(put->wait(kLimitMs), 0) << said();
  }

 private:
  Plan channel_plan() const {
    Plan plan;
    plan.name = "fl-channel log";
    plan.kind = ComponentKind::channel;
    plan.components = {"log"};
    plan.options.ack_wait.ms = ack_wait_ms_;
    return plan;
  }

  const Forgets forgets_;
  const std::int64_t ack_wait_ms_;
  StageDir dir_;
};

// source | put, then take | sink, then take | sink again, which has nothing left.
std::string separate_trial(Forgets forgets, std::int64_t ms) {
  const Log log(forgets);
  Pipe pipe = make_pipe();
  const auto put = log.start_put(false, pipe.read.get());
  const auto source = log.start(number_source_plan, -1, pipe.write.get());
  pipe = {};
  if (const int status = source->wait(ms); status != 0) {
    return "the source ends with " + std::to_string(status);
  }
  if (const int status = put->wait(ms); status != 0) {
    return "put ends with " + std::to_string(status);
  }
  for (int round = 0; round < 2; ++round) {
    if (const std::string problem = log.take_all(ms); !problem.empty()) {
      return problem;
    }
    if (content_of(log.result()) != number_lines(0, kNumbers)) {
      return round == 0 ? "events are missing" : "events come again";
    }
  }
  return "";
}

// put and take run at the same time, and a line comes now and then.
std::string trickle_trial(Forgets forgets, std::int64_t ms) {
  const Log log(forgets);
  Pipe text = make_pipe();
  Pipe pipe = make_pipe();
  const auto put = log.start_put(true, text.read.get());
  const auto take = log.start_take(pipe.write.get());
  const auto sink = log.start_sink(pipe.read.get());
  pipe = {};
  text.read.reset();
  for (std::uint64_t i = 0; i < 20; ++i) {
    write_all(text.write.get(), number_lines(i, i + 1));
    const std::string expected = number_lines(0, i + 1);
    if (!eventually([&] { return content_of(log.result()) == expected; }, ms)) {
      return "a line does not come";
    }
  }
  text.write.reset();
  return put->wait(ms) == 0 && take->wait(ms) == 0 && sink->wait(ms) == 0 ? "" : "no good end";
}

// source | both halves | sink.
std::string one_process_trial(Forgets forgets, std::int64_t ms) {
  const Log log(forgets);
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  const auto source = log.start(number_source_plan, -1, in.write.get());
  const auto channel = log.start([&] { return log.both_plan(); }, in.read.get(), out.write.get());
  const auto sink = log.start_sink(out.read.get());
  in = {};
  out = {};
  if (source->wait(ms) != 0) {
    return "the source does not end well";
  }
  if (channel->wait(ms) != 0) {
    return "the channel does not end well";
  }
  return sink->wait(ms) == 0 && content_of(log.result()) == number_lines(0, kNumbers)
             ? ""
             : "events are missing";
}

TEST(TwoProcessLog, PutAloneThenTakeAlone) {
  const Log log;
  log.put_text(number_lines(0, kNumbers));
  EXPECT_EQ(log.take_all(kLimitMs), "") << log.said();
  EXPECT_EQ(content_of(log.result()), number_lines(0, kNumbers));
}

TEST(TwoProcessLog, ASourceWithAWindowIsAcknowledgedByThePutHalf) {
  EXPECT_EQ(separate_trial(Forgets::nothing, kLimitMs), "");
}

TEST(TwoProcessLog, LinesComeWhileBothRun) {
  EXPECT_EQ(trickle_trial(Forgets::nothing, kLimitMs), "");
}

TEST(TwoProcessLog, BothHalvesInOneProcess) {
  EXPECT_EQ(one_process_trial(Forgets::nothing, kLimitMs), "");
}

TEST(TwoProcessLog, FailsWhenACallOfTheContractIsLeftOut) {
  EXPECT_EQ(separate_trial(Forgets::put_watch, kForgetfulMs), "the source ends with -1");
  EXPECT_EQ(separate_trial(Forgets::put_handle, kForgetfulMs), "the source ends with -1");
  EXPECT_EQ(separate_trial(Forgets::commit, kForgetfulMs), "the source ends with -1");
  EXPECT_EQ(separate_trial(Forgets::take_acked, kForgetfulMs), "events come again");
  EXPECT_EQ(trickle_trial(Forgets::take_handle, kForgetfulMs), "a line does not come");
  EXPECT_EQ(trickle_trial(Forgets::take_deadline, kForgetfulMs), "a line does not come");
  EXPECT_EQ(one_process_trial(Forgets::put_over, kForgetfulMs), "the channel does not end well");
}

// source | put, or source | interceptor | put. The put half never learns that its log is synced, so
// it acknowledges nothing, and all are killed when something is in the log: between the log's sync
// and the source's own record. Then the same again, to the end.
std::string kill_trial(Forgets forgets, bool with_interceptor) {
  const Log killed(Forgets::put_handle);
  const auto start = [&](const std::function<Plan()>& put_plan) {
    std::vector<std::unique_ptr<StageProcess>> stages;
    Pipe above = make_pipe();
    if (with_interceptor) {
      Pipe below = make_pipe();
      stages.push_back(killed.start(uneven_plan, above.read.get(), below.write.get()));
      stages.push_back(killed.start(put_plan, below.read.get(), -1));
    } else {
      stages.push_back(killed.start(put_plan, above.read.get(), -1));
    }
    stages.push_back(killed.start(number_source_plan, -1, above.write.get()));
    return stages;
  };
  auto stages = start([&] { return killed.put_plan(false); });
  if (!eventually([&] { return content_of(killed.path()).size() > kWindow / 2; }, kLimitMs)) {
    return "nothing comes into the log";
  }
  stages.clear();
  const auto with = [&] {
    Plan plan = killed.put_plan(false);
    plan.channel.put =
        std::make_unique<ForgetfulPut>(std::make_unique<LogPut>(killed.path(), true), forgets);
    return plan;
  };
  stages = start(with);
  for (const auto& stage : stages) {
    if (const int status = stage->wait(kLimitMs); status != 0) {
      return "a stage ends with " + std::to_string(status) + ": " + killed.said();
    }
  }
  if (const std::string problem = killed.take_all(kLimitMs); !problem.empty()) {
    return problem;
  }
  const std::string result = content_of(killed.result());
  const std::string expected = with_interceptor ? uneven_lines() : number_lines(0, kNumbers);
  return result == expected                ? ""
         : result.size() > expected.size() ? "events come again"
                                           : "events are missing";
}

TEST(TwoProcessLog, AKillBetweenTheLogsSyncAndTheSourcesOwnRecordDoublesNothing) {
  EXPECT_EQ(kill_trial(Forgets::nothing, false), "");
  EXPECT_EQ(kill_trial(Forgets::nothing, true), "");
}

TEST(TwoProcessLog, WithoutPositionsTheSameKillDoubles) {
  EXPECT_EQ(kill_trial(Forgets::positions, false), "events come again");
  EXPECT_EQ(kill_trial(Forgets::positions, true), "events come again");
}

// Kills at any moment, over and over; each run goes a little further.
TEST(TwoProcessLog, ManyKillsDoubleAndLoseNothing) {
  const Log log;
  std::size_t size = 0;
  for (int round = 0; round < 20; ++round) {
    Pipe above = make_pipe();
    Pipe below = make_pipe();
    const auto put = log.start_put(false, below.read.get());
    const auto middle = log.start(uneven_plan, above.read.get(), below.write.get());
    const auto source = log.start(number_source_plan, -1, above.write.get());
    above = {};
    below = {};
    eventually([&] { return content_of(log.path()).size() > size || !put->runs(); }, kLimitMs);
    size = content_of(log.path()).size();
    if (!put->runs()) {
      break;
    }
  }
  Pipe above = make_pipe();
  Pipe below = make_pipe();
  const auto put = log.start_put(false, below.read.get());
  const auto middle = log.start(uneven_plan, above.read.get(), below.write.get());
  const auto source = log.start(number_source_plan, -1, above.write.get());
  above = {};
  below = {};
  EXPECT_EQ(source->wait(kLimitMs), 0) << log.said();
  EXPECT_EQ(middle->wait(kLimitMs), 0) << log.said();
  EXPECT_EQ(put->wait(kLimitMs), 0) << log.said();
  EXPECT_EQ(log.take_all(kLimitMs), "") << log.said();
  EXPECT_EQ(content_of(log.result()), uneven_lines());
}

// A reader that takes the bytes and does not acknowledge: nothing is sent to it.
TEST(TwoProcessLog, ATakeWithoutAnAcknowledgingReaderIsRefusedAndPutGoesOn) {
  const Log log(Forgets::nothing, 300);
  Pipe text = make_pipe();
  const auto put = log.start_put(true, text.read.get());
  text.read.reset();
  write_all(text.write.get(), number_lines(0, 10));
  ASSERT_TRUE(eventually([&] { return content_of(log.path()).size() > 10; }, kLimitMs));

  Pipe pipe = make_pipe();
  const auto take = log.start_take(pipe.write.get());
  pipe.write.reset();
  std::string taken;
  char bytes[4096];
  for (ssize_t n = 0; (n = ::read(pipe.read.get(), bytes, sizeof bytes)) > 0;) {
    taken.append(bytes, static_cast<std::size_t>(n));
  }
  EXPECT_EQ(take->wait(kLimitMs), 69) << log.said();
  EXPECT_EQ(taken.substr(0, 3), "Obj");
  EXPECT_LT(taken.size(), 1024U);  // the header alone

  EXPECT_TRUE(put->runs());
  write_all(text.write.get(), number_lines(10, 20));
  text.write.reset();
  EXPECT_EQ(put->wait(kLimitMs), 0) << log.said();
  EXPECT_EQ(content_of(log.path() + ".position"), "");  // nothing counts as taken
}

// The pipe of the take half is not touched: it waits for `at`, and put takes in everything.
TEST(TwoProcessLog, ATakeThatWaitsDoesNotBlockItsPut) {
  const Log log;
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  const auto source = log.start(number_source_plan, -1, in.write.get());
  const auto channel = log.start([&] { return log.both_plan(); }, in.read.get(), out.write.get());
  in = {};
  EXPECT_EQ(source->wait(kLimitMs), 0) << log.said();
  EXPECT_TRUE(channel->runs());
  const auto sink = log.start_sink(out.read.get());
  out = {};
  EXPECT_EQ(channel->wait(kLimitMs), 0) << log.said();
  EXPECT_EQ(sink->wait(kLimitMs), 0) << log.said();
  EXPECT_EQ(content_of(log.result()), number_lines(0, kNumbers));
}

TEST(TwoProcessLog, TermEndsEitherHalfAndNothingIsLost) {
  const Log log;
  Pipe text = make_pipe();
  Pipe pipe = make_pipe();
  const auto put = log.start_put(true, text.read.get());
  const auto take = log.start_take(pipe.write.get());
  const auto sink = log.start_sink(pipe.read.get());
  pipe = {};
  text.read.reset();
  write_all(text.write.get(), number_lines(0, 100));
  ASSERT_TRUE(
      eventually([&] { return content_of(log.result()) == number_lines(0, 100); }, kLimitMs));

  take->send(SIGTERM);
  EXPECT_EQ(take->wait(kLimitMs), 0) << log.said();
  EXPECT_EQ(sink->wait(kLimitMs), 0) << log.said();
  EXPECT_TRUE(put->runs());

  // The writer of the text is silent, so put reads on for a second and has everything then.
  const std::size_t before = content_of(log.path()).size();
  write_all(text.write.get(), number_lines(100, 200));
  ASSERT_TRUE(eventually([&] { return content_of(log.path()).size() > before; }, kLimitMs));
  put->send(SIGTERM);
  EXPECT_EQ(put->wait(kLimitMs), 0) << log.said();

  EXPECT_EQ(log.take_all(kLimitMs), "") << log.said();
  EXPECT_EQ(content_of(log.result()), number_lines(0, 200));
}

}  // namespace
}  // namespace fl
