#include "common/stage/runner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>

#include "common/ack/ack_map.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "common/stage/input.h"
#include "common/stage/line_rules.h"
#include "common/stage/output.h"
#include "common/stage/progress.h"
#include "common/stage/upstream.h"

namespace fl {
namespace {

constexpr std::int64_t kQuietMs = 1000;  // DESIGN 9: after a signal, an input silent for so long is over
constexpr std::int64_t kLastWordsMs = 1000;
constexpr int kRounds = 16;  // blocks moved between two looks at signals and acks

std::string count_of(std::uint64_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

class Runner {
 public:
  explicit Runner(Plan plan);
  int run();

 private:
  struct Slot {  // an input and the stream that is coming in through it
    explicit Slot(Input in) : input(std::move(in)) {}
    Input input;
    Upstream* current = nullptr;
    int index = -1;
    std::int64_t last_data_ms = 0;
    bool ready = true;  // worth asking for an item
    bool over = false;
    std::uint64_t long_lines_said = 0;
  };

  Status open();
  Status open_input();
  Status open_output();
  void fail(const Error& error);

  void wait();
  void take_signals_now();
  void drain();
  void hear_upstreams();
  void propagate();
  Status shake_hands();
  void move();
  bool produce();
  bool read_one(Slot& slot);
  Status take_block(Slot& slot);
  bool write_batch();
  bool can_take() const;
  void begin_stream(Slot& slot, std::unique_ptr<Upstream> upstream);
  void finish_stream(Upstream& upstream);
  void end_slot(Slot& slot, bool silent = false);
  bool input_over() const;
  void commit_all();
  void conclude();
  void watch_reader();
  std::uint64_t in_hand() const;
  int finish();
  Figures figures();
  bool clean() const { return !early_ && !error_; }
  bool has_state() const { return plan_.source && plan_.source->has_state(); }

  Plan plan_;
  StageContext context_;
  LineRules rules_;
  SignalState signals_;
  int signal_fd_ = -1;
  int signal_index_ = -1;
  int sink_index_ = -1;
  int source_index_ = -1;
  PollSet poll_;

  std::deque<std::string> more_files_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::size_t turn_ = 0;
  std::vector<std::unique_ptr<Upstream>> upstreams_;
  std::vector<int> upstream_indexes_;
  StreamLedger<Upstream*> ledger_;
  DropMap drops_;

  std::unique_ptr<Output> output_;
  bool channel_sending_ = false;
  Batch* batch_ = nullptr;  // being copied into the output's builder
  std::size_t batch_next_ = 0;

  // What a source has sent and not got acknowledged.
  struct Sent {
    std::uint64_t events;
    std::uint64_t bytes;
  };
  std::deque<Sent> window_;
  std::uint64_t window_bytes_ = 0;
  std::uint64_t wanted_ = 0;
  std::uint64_t produced_ = 0;
  std::uint64_t source_acked_ = 0;
  bool source_waits_ = false;
  bool source_ended_ = false;

  bool moved_ = true;  // more to do without waiting, as at the start
  bool explained_ = false;
  bool shared_said_ = false;
  bool saw_stream_ = false;
  bool opened_ = false;
  bool rejected_ = false;  // lines
  bool stopping_ = false;
  std::int64_t stop_deadline_ms_ = -1;
  bool final_commit_ = false;
  bool early_ = false;
  bool quiet_end_ = false;  // the reader asked for no more
  bool done_ = false;
  bool abandoned_ = false;  // told to stop now
  std::optional<Error> error_;
  std::optional<Error> input_error_;  // damage: the rest of the stage still ends in order
  std::optional<Progress> progress_;
  std::uint64_t bytes_in_ = 0;
};

Runner::Runner(Plan plan) : plan_(std::move(plan)) {
  const StageOptions& options = plan_.options;
  if (Result<LineRules> rules = line_rules(options.line); rules) {
    rules_ = *rules;
  } else {
    error_ = rules.error();
  }
  context_.limits.body_bytes =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(options.max_event.value, 64u << 20));
  context_.limits.body_bytes = std::max(context_.limits.body_bytes, rules_.max_line);
  context_.grace_ms = options.grace.ms;
  context_.terminal = isatty(STDERR_FILENO) == 1;
  context_.dry_run = options.dry_run;
  context_.text = &plan_.options.line;
  if (plan_.text_source) {
    more_files_.assign(plan_.files.begin(), plan_.files.end());
  }
  const bool live = options.progress || (context_.terminal && !options.no_progress);
  progress_.emplace(plan_.name, live);
}

void Runner::fail(const Error& error) {
  if (!error_) {
    error_ = error;
    progress_->clear();
    log(error);
  }
}

// ---------------------------------------------------------------- opening

Status Runner::open_output() {
  UniqueFd fd;
  const std::string& path = plan_.options.out;
  if (path.empty() || path == "-") {
    fd.reset(STDOUT_FILENO);
  } else {
    fd.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644));
    if (!fd) {
      return system_error(ErrorClass::create, "cannot open '" + path + "' for writing", errno);
    }
  }
  Result<std::unique_ptr<Output>> output =
      Output::open(std::move(fd), {plan_.options.ack == "on", plan_.options.ack_wait.ms});
  if (!output) {
    return output.error();
  }
  output_ = std::move(*output);
  if (plan_.source || plan_.text_source || plan_.options.text || plan_.options.stream) {
    output_->start();
  }
  return {};
}

Status Runner::open_input() {
  const auto add = [&](UniqueFd fd, std::string name) {
    Input::Settings settings;
    settings.limits = context_.limits;
    settings.rules = rules_;
    if (plan_.text_source || plan_.options.text) {
      settings.form = Input::Form::text;
    } else if (plan_.options.stream) {
      settings.form = Input::Form::stream;
    }
    if (output_) {
      settings.block_limit = output_->block_limit();
    }
    slots_.push_back(std::make_unique<Slot>(Input(std::move(fd), std::move(name), settings)));
    slots_.back()->last_data_ms = monotonic_ms();
  };
  const auto open_path = [&](const std::string& path) -> Status {
    if (path == "-") {
      add(UniqueFd(dup(STDIN_FILENO)), "stdin");
      return {};
    }
    // A named pipe is opened without waiting for its writer, so that several can be waited for.
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!fd) {
      return system_error("cannot open '" + path + "'", errno);
    }
    struct stat info {};
    if (fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode)) {
      return Error{ErrorClass::config, "cannot read '" + path + "': it is a directory", {}};
    }
    add(std::move(fd), "'" + path + "'");
    return {};
  };
  if (plan_.text_source && !plan_.files.empty()) {
    const std::string path = more_files_.front();
    more_files_.pop_front();
    return open_path(path);
  }
  if (plan_.options.in.empty()) {
    add(UniqueFd(STDIN_FILENO), "stdin");
  }
  for (const std::string& path : plan_.options.in) {
    if (Status status = open_path(path); !status) {
      return status;
    }
  }
  return {};
}

Status Runner::open() {
  if (error_) {
    return *error_;
  }
  if (!plan_.sink && !plan_.options.dry_run) {
    if (Status status = open_output(); !status) {
      return status;
    }
    // The header goes out before anything else that can fail, so that a failure is seen below.
    if (Status status = output_->pump(); !status) {
      return status;
    }
  }
  if (plan_.source) {
    if (Status status = plan_.source->open(context_); !status) {
      return status;
    }
  }
  for (auto& interceptor : plan_.interceptors) {
    if (Status status = interceptor->open(context_); !status) {
      return status;
    }
  }
  if (plan_.channel) {
    if (Status status = plan_.channel->open(context_); !status) {
      return status;
    }
  }
  if (plan_.sink) {
    if (Status status = plan_.sink->open(context_); !status) {
      return status;
    }
  }
  if (plan_.options.dry_run) {
    done_ = true;
    return {};
  }
  opened_ = true;
  return plan_.source ? Status() : open_input();
}

// ---------------------------------------------------------------- the loop

int Runner::run() {
  signal_fd_ = watch_signals();
  if (std::optional<Error> wrong = error_) {
    log(*wrong);
    return static_cast<int>(wrong->kind);
  }
  if (Status status = open(); !status) {
    fail(status.error());
  }
  while (!done_ && !error_) {
    wait();
    take_signals_now();
    if (done_) {
      break;
    }
    hear_upstreams();
    if (plan_.sink) {
      if (Status status = plan_.sink->progress(); !status) {
        fail(status.error());
        break;
      }
    }
    if (output_) {
      if (Status status = output_->handle(poll_); !status) {
        fail(status.error());
        break;
      }
    }
    if (Status status = shake_hands(); !status) {
      fail(status.error());
      break;
    }
    drain();
    move();
    propagate();
    watch_reader();
    conclude();
    if (progress_->live()) {
      progress_->tick(figures());
    }
  }
  return finish();
}

bool Runner::can_take() const {
  if (plan_.sink) {
    return plan_.sink->ready();
  }
  if (plan_.channel) {
    return plan_.channel->has_room();
  }
  return !output_->busy() && batch_ == nullptr;
}

void Runner::wait() {
  poll_.clear();
  signal_index_ = poll_.add(signal_fd_, POLLIN);
  const bool take = can_take();
  for (auto& slot : slots_) {
    slot->index = -1;
    if (slot->over) {
      continue;
    }
    if (take) {
      if (slot->ready) {
        poll_.wake_now();
      } else {
        slot->index = poll_.add(slot->input.fd(), POLLIN);
      }
    }
    if (stopping_) {
      poll_.wake_at(slot->last_data_ms + kQuietMs);
    }
  }
  upstream_indexes_.clear();
  for (auto& upstream : upstreams_) {
    AckClient& client = upstream->client();
    upstream_indexes_.push_back(client.is_open() ? poll_.add(client.fd(), client.events()) : -1);
  }
  sink_index_ = -1;
  if (plan_.sink) {
    if (plan_.sink->wake_fd() >= 0) {
      sink_index_ = poll_.add(plan_.sink->wake_fd(), plan_.sink->wake_events());
    }
    poll_.wake_at(plan_.sink->deadline_ms());
  }
  source_index_ = -1;
  if (plan_.source && !source_ended_ && source_waits_) {
    if (plan_.source->wait_fd() >= 0) {
      source_index_ = poll_.add(plan_.source->wait_fd(), POLLIN);
    }
    poll_.wake_at(plan_.source->deadline_ms());
  }
  if (output_) {
    output_->watch(poll_);
    if (moved_) {
      poll_.wake_now();
    }
  }
  poll_.wake_at(stop_deadline_ms_);
  poll_.wake_at(progress_->deadline_ms());
  poll_.wait();
  for (auto& slot : slots_) {
    if (poll_.revents(slot->index) != 0) {
      slot->ready = true;
    }
  }
}

void Runner::take_signals_now() {
  if (poll_.revents(signal_index_) != 0) {
    const int before = signals_.stop;
    take_signals(signals_);
    if (signals_.report) {
      signals_.report = false;
      progress_->report(figures());
    }
    if (signals_.reopen) {
      signals_.reopen = false;
      if (plan_.sink) {
        plan_.sink->reopen();
      }
    }
    if (before == 0 && signals_.stop > 0) {
      stopping_ = true;
      stop_deadline_ms_ = monotonic_ms() + plan_.options.grace.ms;
      if (plan_.source) {
        plan_.source->stop();
        source_ended_ = true;
      }
      for (auto& slot : slots_) {
        if (!slot->input.is_pipe()) {
          end_slot(*slot);  // a stage that produces stops at once
        }
        slot->last_data_ms = monotonic_ms();
      }
      more_files_.clear();
    }
  }
  if (signals_.stop > 1 || (stopping_ && monotonic_ms() >= stop_deadline_ms_)) {
    if (signals_.stop <= 1) {
      log(LogLevel::warning, "not finished within --grace");
    }
    abandoned_ = true;
    done_ = true;
  }
}

// After a signal: which inputs are over.
void Runner::drain() {
  if (!stopping_) {
    return;
  }
  const std::int64_t now = monotonic_ms();
  for (auto& slot : slots_) {
    if (slot->over) {
      continue;
    }
    const bool complete = slot->current != nullptr && slot->current->complete();
    // What is not asked for because we cannot take it is not silence.
    const bool silent = can_take() && !slot->ready && now - slot->last_data_ms >= kQuietMs;
    if (complete || silent) {
      end_slot(*slot, true);
    }
  }
}

// `silent`: told to stop, and nothing more comes, though the writer has not said `end`.
void Runner::end_slot(Slot& slot, bool silent) {
  if (slot.over) {
    return;
  }
  slot.over = true;
  if (slot.current != nullptr) {
    Upstream& upstream = *slot.current;
    slot.current = nullptr;
    if (!silent || upstream.complete()) {
      finish_stream(upstream);
    }
  }
  bytes_in_ += slot.input.bytes_read();
  if (slot.input.text().rejected() > 0) {
    rejected_ = true;
    log(LogLevel::error, count_of(slot.input.text().rejected(), "line") + " of " +
                             slot.input.name() + " rejected: longer than --max-line");
  }
}

void Runner::begin_stream(Slot& slot, std::unique_ptr<Upstream> upstream) {
  if (slot.current != nullptr) {
    finish_stream(*slot.current);
  }
  slot.current = upstream.get();
  const bool early = upstream->early();
  upstreams_.push_back(std::move(upstream));
  if (output_ && !output_->started()) {
    output_->start();
  }
  if (early && !early_) {
    early_ = true;
    log(LogLevel::warning, "the writer of the stream has died");
  }
}

void Runner::finish_stream(Upstream& upstream) {
  upstream.finish(plan_.options.need_end);
  if (upstream.early()) {
    if (!early_) {
      log(LogLevel::warning, "upstream ended early after " + count_of(upstream.read(), "event"));
    }
    early_ = true;
  }
  if (upstream.unproved()) {
    input_error_ = {ErrorClass::input,
                    "the stream ended after " + count_of(upstream.read(), "event") +
                        " without a word of its writer (--need-end)",
                    {}};
    log(*input_error_);
    early_ = true;
  }
}

void Runner::hear_upstreams() {
  for (std::size_t i = 0; i < upstreams_.size() && i < upstream_indexes_.size(); ++i) {
    if (poll_.revents(upstream_indexes_[i]) != 0) {
      const bool was_early = upstreams_[i]->early();
      upstreams_[i]->handle();
      if (upstreams_[i]->early() && !was_early) {
        if (!early_ && !stopping_) {
          log(LogLevel::warning,
              "upstream ended early after " + count_of(upstreams_[i]->read(), "event") + " or more");
        }
        early_ = early_ || !stopping_;
        commit_all();
      }
    }
  }
}

void Runner::commit_all() {
  if (plan_.sink) {
    if (Status status = plan_.sink->commit(ledger_.total()); !status) {
      fail(status.error());
    }
  } else if (output_ && output_->started()) {
    output_->want(drops_.outputs());
  }
}

// A source with state sends nothing before it knows what an ack will mean.
Status Runner::shake_hands() {
  if (!output_) {
    return {};
  }
  if (output_->was_shared() && !shared_said_) {
    shared_said_ = true;
    log(LogLevel::warning,
        "two readers share this stream (tee): only the one that came first acknowledges it; "
        "fl-channel replicate gives each its own");
  }
  const std::optional<std::string> rule = output_->rule();
  if (rule && plan_.options.explain && !explained_) {
    explained_ = true;
    log(LogLevel::info, "an event counts as delivered when it is: " + *rule +
                            ((plan_.source && !has_state()) || plan_.text_source
                                 ? " (this source cannot read again: best effort up to there)"
                                 : ""));
  }
  if (has_state() && plan_.options.ack == "on" && rule && *rule == "handed on") {
    return Error{ErrorClass::unavailable, "the reader of the stream does not acknowledge: nothing sent",
                 "--ack=off counts what is handed over as delivered; --ack-wait waits longer for a "
                 "slow starter behind tee or pv"};
  }
  return {};
}

// ---------------------------------------------------------------- moving blocks

void Runner::move() {
  moved_ = false;
  for (int round = 0; round < kRounds && !error_; ++round) {
    bool progress = false;
    if (output_) {
      if (Status status = output_->pump(); !status) {
        return fail(status.error());
      }
      if (output_->closed_early() || output_->enough()) {
        return;
      }
      if (plan_.channel && !output_->busy()) {
        if (channel_sending_) {
          plan_.channel->pop();
          channel_sending_ = false;
        }
        if (Block* block = plan_.channel->front(); block != nullptr && output_->started()) {
          output_->send(*block);
          channel_sending_ = true;
          progress = true;
        }
      }
    }
    progress = write_batch() || progress;
    if (plan_.source) {
      progress = produce() || progress;
    } else {
      for (std::size_t i = 0; i < slots_.size() && can_take(); ++i) {
        Slot& slot = *slots_[(turn_ + i) % slots_.size()];
        if (slot.ready && !slot.over) {
          progress = read_one(slot) || progress;
        }
      }
      turn_ = slots_.empty() ? 0 : (turn_ + 1) % slots_.size();
    }
    if (!progress) {
      // Nothing more right now: what is collected goes out (DESIGN 2, no timer).
      if (output_ && !output_->busy() && batch_ == nullptr && !output_->builder().empty()) {
        output_->flush_builder();
        if (Status status = output_->pump(); !status) {
          return fail(status.error());
        }
      }
      return;
    }
  }
  moved_ = true;
}

bool Runner::produce() {
  if (source_ended_ || output_->busy()) {
    return false;
  }
  if (has_state() && plan_.options.ack == "on") {
    if (!output_->rule()) {
      return false;  // no `at` yet
    }
    const std::uint64_t window = plan_.options.window.value;
    if (window_bytes_ >= window / 4 * 3 && wanted_ < produced_ &&
        (wanted_ <= source_acked_ || window_bytes_ >= window)) {
      wanted_ = produced_;
      output_->want(wanted_);
    }
    if (window_bytes_ >= window && window_bytes_ > 0) {
      return false;
    }
  }
  if (source_waits_) {
    const std::int64_t deadline = plan_.source->deadline_ms();
    if (poll_.revents(source_index_) == 0 && (deadline < 0 || monotonic_ms() < deadline)) {
      return false;
    }
    source_waits_ = false;
  }
  BlockBuilder& builder = output_->builder();
  const std::uint64_t count = builder.count();
  const std::size_t size = builder.size();
  Result<Source::State> state = plan_.source->produce(builder);
  if (!state) {
    fail(state.error());
    return false;
  }
  const std::uint64_t added = builder.count() - count;
  produced_ += added;
  bytes_in_ += builder.size() - size;
  if (added > 0 && has_state()) {
    window_.push_back({produced_, builder.size() - size});
    window_bytes_ += window_.back().bytes;
  }
  source_ended_ = *state == Source::State::end;
  source_waits_ = *state == Source::State::wait;
  if (source_waits_ && has_state() && wanted_ < produced_) {
    wanted_ = produced_;  // it drains: what is out is wanted safe
    output_->want(wanted_);
  }
  if (!builder.empty()) {
    output_->flush_builder();
    if (Status status = output_->pump(); !status) {
      fail(status.error());
    }
  }
  return added > 0 || source_ended_ || *state == Source::State::more;
}

bool Runner::read_one(Slot& slot) {
  Result<Input::Got> got = slot.input.next();
  if (!got) {
    // Whole blocks count; what is damaged is reported, and no `end` follows.
    progress_->clear();
    log(got.error());
    input_error_ = got.error();
    early_ = true;
    slot.over = true;
    if (slot.current != nullptr) {
      slot.current->abandon();
      slot.current = nullptr;
    }
    bytes_in_ += slot.input.bytes_read();
    return true;
  }
  switch (*got) {
    case Input::Got::nothing:
      slot.ready = false;
      return false;
    case Input::Got::text:
      begin_stream(slot, std::make_unique<Upstream>());
      return true;
    case Input::Got::header:
      saw_stream_ = true;
      slot.last_data_ms = monotonic_ms();
      begin_stream(slot, std::make_unique<Upstream>(slot.input.header(), slot.input.fd()));
      return true;
    case Input::Got::block:
      if (stopping_) {
        slot.last_data_ms = monotonic_ms();
      }
      if (Status status = take_block(slot); !status) {
        fail(status.error());
      }
      if (slot.input.text().long_lines() > 0 && slot.long_lines_said == 0) {
        slot.long_lines_said = 1;
        log(LogLevel::warning, "a line of " + slot.input.name() + " is longer than --max-line: " +
                                   (rules_.long_line == LongLine::split      ? "split"
                                    : rules_.long_line == LongLine::truncate ? "cut short"
                                                                             : "rejected"));
      }
      return true;
    case Input::Got::end:
      end_slot(slot);
      if (!slot.input.saw_bytes() && !plan_.options.stream && more_files_.empty()) {
        log(LogLevel::info, slot.input.name() + " was empty: 0 events");
      }
      if (!more_files_.empty()) {
        slots_.clear();
        if (Status status = open_input(); !status) {
          fail(status.error());
        }
      }
      return true;
  }
  return false;
}

Status Runner::take_block(Slot& slot) {
  Upstream& upstream = *slot.current;
  if (plan_.text_source) {
    const Block block = slot.input.block();
    ledger_.add(&upstream, block.count, upstream.read());
    upstream.count(block.count);
    drops_.add(block.count, block.count, {});
    output_->send(block);
    return output_->pump();
  }
  Batch& batch = slot.input.batch();
  const std::uint64_t count = batch.size();
  ledger_.add(&upstream, count, upstream.read());
  upstream.count(count);
  if (plan_.sink) {
    return plan_.sink->deliver(batch);
  }
  if (plan_.channel) {
    drops_.add(count, count, {});
    return plan_.channel->put(slot.input.block());
  }
  for (auto& interceptor : plan_.interceptors) {
    if (Status status = interceptor->process(batch); !status) {
      return status;
    }
  }
  drops_.add(count, count - batch.dropped(), batch.keep());
  if (batch.unchanged() && output_->builder().empty()) {
    output_->send(slot.input.block());
    return output_->pump();
  }
  batch_ = &batch;
  batch_next_ = 0;
  write_batch();
  return {};
}

// Copies the rest of the batch, with its edits, into the output. True if something moved.
bool Runner::write_batch() {
  if (batch_ == nullptr || output_->busy()) {
    return false;
  }
  BlockBuilder& builder = output_->builder();
  const Batch& batch = *batch_;
  const std::size_t size = batch.size();
  std::size_t i = batch_next_;
  while (i < size) {
    if (!batch.kept(i)) {
      ++i;
      continue;
    }
    const std::string_view prefix = batch.prefix(i);
    std::string_view bytes = batch[i].bytes();
    if (!builder.fits(prefix.size() + bytes.size())) {
      output_->flush_builder();
      if (Status status = output_->pump(); !status) {
        fail(status.error());
        return false;
      }
      if (output_->busy() || output_->closed_early()) {
        batch_next_ = i;
        return true;
      }
      continue;
    }
    std::uint64_t count = 1;
    ++i;
    if (prefix.empty()) {  // neighbours that stay as they are go in one piece
      while (i < size && batch.kept(i) && batch.prefix(i).empty() &&
             batch[i].data == reinterpret_cast<const std::uint8_t*>(bytes.data()) + bytes.size() &&
             builder.fits_run(bytes.size() + batch[i].size, count + 1)) {
        bytes = {bytes.data(), bytes.size() + batch[i].size};
        ++count;
        ++i;
      }
    }
    builder.add_encoded(prefix, bytes, count);
  }
  batch_ = nullptr;
  return true;
}

// ---------------------------------------------------------------- acknowledgements and the end

void Runner::propagate() {
  std::uint64_t safe = 0;
  if (plan_.sink) {
    safe = plan_.sink->safe();
  } else if (plan_.channel && plan_.channel->acks_at_put()) {
    safe = ledger_.total();
  } else {
    const std::uint64_t acked = output_->acked();
    if (plan_.source) {
      if (acked > source_acked_) {
        source_acked_ = acked;
        while (!window_.empty() && window_.front().events <= acked) {
          window_bytes_ -= window_.front().bytes;
          window_.pop_front();
        }
        if (Status status = plan_.source->acked(acked); !status) {
          fail(status.error());
        }
      }
      return;
    }
    safe = drops_.safe_inputs(acked);
  }
  ledger_.ack(safe, [](Upstream* upstream, std::uint64_t n) { upstream->ack(n); });

  const std::optional<std::string> rule =
      plan_.sink ? std::optional<std::string>(plan_.sink->rule())
      : plan_.channel && plan_.channel->acks_at_put() ? std::optional<std::string>("held in memory")
                                                      : output_->rule();
  for (std::size_t i = 0; i < upstreams_.size();) {
    Upstream& upstream = *upstreams_[i];
    if (rule) {
      upstream.at(*rule);
    }
    if (const std::uint64_t want = upstream.take_want(); want > 0) {
      if (plan_.sink) {
        if (Status status = plan_.sink->commit(ledger_.position(&upstream, want)); !status) {
          fail(status.error());
        }
      } else {
        output_->want(drops_.outputs());
      }
    }
    if (upstream.settled()) {
      upstreams_.erase(upstreams_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

bool Runner::input_over() const {
  if (plan_.source) {
    return source_ended_;
  }
  return std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->over; });
}

// Events taken in (or produced) that are not written to the output yet.
std::uint64_t Runner::in_hand() const {
  const std::uint64_t taken = plan_.source ? produced_ : drops_.outputs();
  return taken - std::min(taken, output_->sent()) + (output_->busy() ? 1 : 0);
}

void Runner::watch_reader() {
  if (plan_.sink) {
    if (plan_.sink->reader_closed()) {
      quiet_end_ = true;
    }
  } else if (output_) {
    if (output_->enough()) {
      quiet_end_ = true;
    } else if (!output_->closed() && (output_->closed_early() || output_->reader_lost())) {
      if (stopping_ && output_->acked() == output_->sent() && in_hand() == 0) {
        for (auto& slot : slots_) {  // it has stopped as we do, and has everything
          end_slot(*slot, true);
        }
        source_ended_ = true;
        done_ = true;
        return;
      }
      if (output_->reader() != Output::Reader::acking) {
        for (auto& upstream : upstreams_) {
          upstream->enough();
        }
      }
      fail({ErrorClass::again, "the reader of the stream closed early", {}});
    }
  }
  if (quiet_end_) {
    for (auto& upstream : upstreams_) {
      upstream->enough();
    }
    done_ = true;
  }
}

void Runner::conclude() {
  if (done_ || error_ || !input_over()) {
    return;
  }
  if (plan_.sink) {
    if (!plan_.sink->ready()) {
      return;
    }
    if (!final_commit_) {
      final_commit_ = true;
      commit_all();
      propagate();
    }
    done_ = plan_.sink->safe() >= ledger_.total();
    return;
  }
  if (!output_->started()) {
    if (!output_->busy()) {
      output_->start();  // an empty input is an empty stream
    }
    moved_ = true;
    return;
  }
  if (output_->busy() || batch_ != nullptr || channel_sending_ ||
      (plan_.channel && plan_.channel->front() != nullptr)) {
    return;
  }
  if (!output_->builder().empty()) {
    output_->flush_builder();
    moved_ = true;
    return;
  }
  if (!output_->closed()) {
    if (Status status = output_->close(clean(), stopping_); !status) {
      return fail(status.error());
    }
    if (!output_->closed()) {
      return;
    }
    propagate();
  }
  if (output_->acked() >= output_->sent() && (!plan_.source || source_acked_ >= produced_)) {
    done_ = true;
  } else if (output_->reader() != Output::Reader::acking || output_->reader_lost()) {
    done_ = true;
  }
}

Figures Runner::figures() {
  Figures out;
  out.events = plan_.source ? produced_ : ledger_.total();
  out.unacknowledged = out.events - (plan_.source ? source_acked_ : ledger_.done());
  out.bytes = bytes_in_;
  for (const auto& slot : slots_) {
    out.bytes += slot->over ? 0 : slot->input.bytes_read();
  }
  out.more = plan_.sink ? plan_.sink->status() : plan_.channel ? plan_.channel->status() : "";
  return out;
}

int Runner::finish() {
  progress_->clear();
  if (output_) {
    output_->acked();
  }
  if (opened_) {
    propagate();
  }
  // The last acks go out even if the writer is slow to read them.
  const std::int64_t deadline = monotonic_ms() + kLastWordsMs;
  while (monotonic_ms() < deadline) {
    PollSet set;
    for (auto& upstream : upstreams_) {
      if (upstream->client().has_unsent()) {
        set.add(upstream->client().fd(), POLLOUT);
      }
    }
    if (set.empty()) {
      break;
    }
    set.wake_at(deadline);
    set.wait();
    for (auto& upstream : upstreams_) {
      upstream->client().handle();
    }
  }
  if (plan_.options.progress || (progress_->live() && !plan_.options.dry_run)) {
    progress_->report(figures());
  }

  int status = 0;
  const auto worse = [&](ErrorClass kind) {
    if (status == 0) {
      status = static_cast<int>(kind);
    }
  };
  if (error_) {
    worse(error_->kind);
  }
  if (input_error_ || rejected_) {
    worse(ErrorClass::input);
  }
  if (plan_.source) {
    if (Status closed = plan_.source->close(); !closed) {
      if (status == 0) {
        log(closed.error());
      }
      worse(closed.error().kind);
    }
    if (const std::string text = plan_.source->summary(); !text.empty()) {
      log(LogLevel::info, text);
    }
  }
  if (plan_.sink) {
    if (Status closed = plan_.sink->close(); !closed) {
      log(closed.error());
      worse(closed.error().kind);
    }
  }
  if (early_) {
    worse(ErrorClass::again);
  }
  if (!quiet_end_ || has_state()) {
    const Figures last = figures();
    const bool lost = plan_.source ? last.unacknowledged > 0 && has_state() : last.unacknowledged > 0;
    const bool unwritten = output_ && plan_.source && (in_hand() > 0 || last.unacknowledged > 0);
    if (lost || unwritten) {
      if (status == 0) {
        log(LogLevel::error, "stopped with " + count_of(last.unacknowledged, "event") +
                                 " unacknowledged");
      }
      worse(ErrorClass::again);
    }
  }
  if (plan_.options.stream && !plan_.source && !plan_.options.dry_run && !saw_stream_ &&
      !quiet_end_ && status == 0) {
    if (stopping_) {
      return 0;
    }
    log(Error{ErrorClass::input, "the input held no stream (--stream)", {}});
    worse(ErrorClass::input);
  }
  if (status == 0 && output_) {
    output_->remove_socket();
  }
  return status;
}

}  // namespace

int run_stage(Plan plan) { return Runner(std::move(plan)).run(); }

}  // namespace fl
