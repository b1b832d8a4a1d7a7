#include "tools/fl-sink/hdfs/sink.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::size_t kWriteBytes = 256 << 10;   // one write(2)
constexpr std::uint64_t kMemoryBytes = 8 << 20;  // gathered in memory over all parts
constexpr std::size_t kFewParts = 8;             // so few keep their buffers' memory
constexpr std::size_t kMaxRolled = 64;           // parts on their way before reading stops
constexpr std::size_t kMaxSwept = 10'000;
constexpr std::int64_t kFullRetryMs = 200;

}  // namespace

std::string HdfsSink::rule() const {
  return store_ == nullptr ? "hdfs closed and renamed" : store_->rule();
}

Status HdfsSink::deliver(const Batch& batch) {
  const std::int64_t now = monotonic_ms();
  const std::int64_t wall = names_->uses_clock() ? wall_ms() : 0;
  const std::uint64_t roll_size = options_.roll_size.value;
  const bool locate = !names_->is_constant();
  const bool examine = format_->examines();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch.kept(i)) {
      ++delivered_;
      continue;
    }
    const Event& event = batch[i];
    if (examine) {
      const Result<bool> other = format_->examine(event);
      if (!other) {
        if (Status kept = reject(event, other.error()); !kept) {
          return kept;
        }
        ++delivered_;
        continue;
      }
      if (*other) {
        last_ = nullptr;
      }
    }
    if (locate) {
      const Result<bool> moved = names_->locate(event, wall);
      if (!moved) {
        if (Status kept = reject(event, moved.error()); !kept) {
          return kept;
        }
        ++delivered_;
        continue;
      }
      if (*moved) {
        last_ = nullptr;
      }
    }
    if (last_ == nullptr) {
      if (!locate) {
        (void)names_->locate(event, wall);
      }
      last_ = &bucket_of_last_located();
    }
    Gather* gather = last_->open;
    if (gather == nullptr) {
      Result<Gather*> begun = begin_part(*last_, now);
      if (!begun) {
        has_failed_ = true;
        return begun.error();
      }
      gather = *begun;
    } else if (by_use_.back() != gather) {
      by_use_.splice(by_use_.end(), by_use_, gather->by_use);
    }
    gather->used_ms = now;
    gather->serializer->append(gather->buffer, event);
    const std::size_t body = event.size - event.body_offset;
    gather->body_bytes += body;
    unchecked_bytes_ += body;
    ++gather->events;
    ++delivered_;
    if (gather->buffer.size() >= kWriteBytes) {
      if (Status written = write_out(*gather); !written) {
        return written;
      }
    }
    if ((roll_size != 0 && gather->body_bytes >= roll_size) ||
        (options_.roll_count != 0 && gather->events >= options_.roll_count)) {
      roll(*gather);
    }
  }
  if (unchecked_bytes_ >= kMemoryBytes / 2) {
    if (Status relieved = relieve_memory(); !relieved) {
      return relieved;
    }
  }
  if (!store_->has_room()) {
    commit_largest();
  }
  return {};
}

// An event that has no place: it goes to the dead letters, or ends the stage.
Status HdfsSink::reject(const Event& event, const Error& why) {
  if (rejects_ != nullptr && why.kind == ErrorClass::input) {
    Status kept = rejects_->reject(event, why.message);
    if (kept) {
      return kept;
    }
    if (kept.error().kind != ErrorClass::input) {
      has_failed_ = true;  // the dead letters themselves cannot be written
      return kept;
    }
  }
  has_failed_ = true;
  return why;
}

HdfsSink::Bucket& HdfsSink::bucket_of_last_located() {
  // Files of several kinds may lie in one directory under one prefix.
  key_ = names_->key();
  if (!format_->kind().empty()) {
    key_ += '\0';
    key_ += format_->kind();
  }
  const auto found = buckets_.find(key_);
  if (found != buckets_.end()) {
    return *found->second;
  }
  auto bucket = std::make_unique<Bucket>();
  bucket->key = key_;
  bucket->names = {std::string(names_->directory()), std::string(names_->prefix()),
                   options_.file_suffix};
  // The clock decides, as in Flume; never below what this run has used, so that a clock that
  // stands still does not lead through all names again.
  bucket->counter = std::max<std::uint64_t>(
      static_cast<std::uint64_t>(std::max<std::int64_t>(wall_ms(), 0)), last_counter_);
  Bucket& added = *bucket;
  buckets_.emplace(added.key, std::move(bucket));
  return added;
}

Result<HdfsSink::Gather*> HdfsSink::begin_part(Bucket& bucket, std::int64_t now) {
  while (by_use_.size() >= max_open_) {
    roll(*by_use_.front());
  }
  auto gather = std::make_unique<Gather>();
  Gather* const part = gather.get();
  part->bucket = &bucket;
  part->serializer = format_->serializer();
  part->part = store_->part(bucket.names, bucket.counter + bucket.queue.size() + 1);
  part->first = delivered_;
  part->opened_ms = now;
  part->used_ms = now;
  part->by_age = by_age_.insert(by_age_.end(), part);
  part->by_use = by_use_.insert(by_use_.end(), part);
  part->serializer->begin(part->buffer);
  parts_.emplace(delivered_, std::move(gather));
  bucket.open = part;
  sweep_once(bucket.names.directory);
  return part;
}

void HdfsSink::sweep_once(const std::string& directory) {
  if (options_.stale_temp.ms <= 0 || swept_.contains(directory)) {
    return;
  }
  if (swept_.size() >= kMaxSwept) {
    swept_.clear();
    sweeps_.clear();
  }
  swept_.insert(directory);
  sweeps_.push_back(directory);
  sweep_next();
}

// One at a time: commits have the other workers.
void HdfsSink::sweep_next() {
  if (is_sweeping_ || sweeps_.empty()) {
    return;
  }
  is_sweeping_ = true;
  pool_.submit([this, directory = std::move(sweeps_.front())] {
    store_->sweep(directory, options_.stale_temp.ms);
    {
      const std::lock_guard lock(finished_mutex_);
      has_swept_ = true;
    }
    (void)eventfd_write(wake_.get(), 1);
  });
  sweeps_.pop_front();
}

// Moves the buffer to the part. A full disk is no error: the bytes stay and reading stops.
Status HdfsSink::write_out(Gather& gather) {
  if (full_parts_ != 0 || gather.buffer.empty()) {
    return {};
  }
  const Outcome outcome = gather.part->write(gather.buffer);
  if (outcome.kind == Outcome::Kind::failed) {
    has_failed_ = true;
    return outcome.error;
  }
  set_full(gather, outcome.kind == Outcome::Kind::disk_full, &outcome.error);
  return {};
}

void HdfsSink::set_full(Gather& gather, bool full, const Error* why) {
  if (full) {
    full_retry_ms_ = monotonic_ms() + kFullRetryMs;
  }
  if (gather.is_full == full) {
    return;
  }
  gather.is_full = full;
  if (full && ++full_parts_ == 1) {
    log(LogLevel::warning, why->message + "; reading stops until there is room");
  } else if (!full && --full_parts_ == 0) {
    log(LogLevel::info, "there is room again: reading goes on");
  }
}

Status HdfsSink::relieve_memory() {
  unchecked_bytes_ = 0;
  std::uint64_t bytes = 0;
  for (const Gather* gather : by_age_) {
    bytes += gather->buffer.size() + gather->serializer->pending();
  }
  const bool many = by_age_.size() > kFewParts;
  if (bytes < kMemoryBytes || !many) {
    return {};
  }
  for (Gather* gather : by_age_) {
    gather->serializer->flush(gather->buffer);
    if (Status written = write_out(*gather); !written) {
      return written;
    }
    if (gather->buffer.empty()) {
      std::string().swap(gather->buffer);
    }
  }
  return {};
}

// The part takes no more events and is committed after those of its bucket before it.
void HdfsSink::roll(Gather& gather) {
  gather.serializer->end(gather.buffer);
  gather.serializer.reset();
  by_age_.erase(gather.by_age);
  by_use_.erase(gather.by_use);
  gather.state = State::queued;
  ++rolled_;
  Bucket& bucket = *gather.bucket;
  bucket.open = nullptr;
  bucket.queue.push_back(&gather);
  if (bucket.queue.size() == 1) {
    start_commit(bucket);
  }
}

void HdfsSink::start_commit(Bucket& bucket) {
  Gather& gather = *bucket.queue.front();
  gather.counter = bucket.counter + 1;
  submit(gather);
}

void HdfsSink::submit(Gather& gather) {
  gather.state = State::committing;
  ++committing_;
  pool_.submit([this, &gather] {
    gather.outcome = gather.part->commit(gather.buffer, gather.counter);
    {
      const std::lock_guard lock(finished_mutex_);
      finished_.push_back(&gather);
    }
    (void)eventfd_write(wake_.get(), 1);
  });
}

Status HdfsSink::progress() {
  if (is_opening_) {
    const Result<bool> opened = take_opened();
    if (!opened) {
      has_failed_ = true;
      return opened.error();
    }
    if (!*opened) {
      return {};
    }
  }
  const std::int64_t now = monotonic_ms();
  if (limits_.ended_ms < 0 && is_ended()) {
    limits_.ended_ms = now;
  }
  if (Status taken = take_finished(now); !taken) {
    has_failed_ = true;
    return taken;
  }
  if (Status ran = run_timers(now); !ran) {
    has_failed_ = true;
    return ran;
  }
  return {};
}

Status HdfsSink::take_finished(std::int64_t now) {
  eventfd_t count = 0;
  (void)eventfd_read(wake_.get(), &count);
  taken_.clear();
  bool swept = false;
  {
    const std::lock_guard lock(finished_mutex_);
    taken_.swap(finished_);
    swept = std::exchange(has_swept_, false);
  }
  if (swept) {
    is_sweeping_ = false;
    sweep_next();
  }
  Status result;
  for (Gather* gather : taken_) {
    --committing_;
    Status settled = settle(*gather, now);
    if (!settled && result.ok()) {
      result = settled;
    }
  }
  return result;
}

Status HdfsSink::settle(Gather& gather, std::int64_t now) {
  const Outcome& outcome = gather.outcome;
  set_full(gather, outcome.kind == Outcome::Kind::disk_full, &outcome.error);
  if (outcome.kind == Outcome::Kind::done) {
    finish(gather, now);
    return {};
  }
  gather.state = State::waiting;
  if (outcome.kind == Outcome::Kind::disk_full) {
    gather.retry.disk_full(now, kFullRetryMs);
    waiting_.push_back(&gather);
    return {};
  }
  if (outcome.kind == Outcome::Kind::failed && outcome.error.kind != ErrorClass::unavailable) {
    return outcome.error;
  }
  return wait_for_retry(gather, now);
}

Status HdfsSink::wait_for_retry(Gather& gather, std::int64_t now) {
  const Outcome& outcome = gather.outcome;
  gather.retry.failed(now, outcome.kind, limits_);
  if (gather.retry.is_over(now, limits_)) {
    Error error = outcome.error;
    error.message += " (tried for " + to_string(Duration{now - gather.retry.since_ms()}) + ")";
    return error;
  }
  ++retries_;
  waiting_.push_back(&gather);
  Alarm& alarm = outcome.kind == Outcome::Kind::refused ? refused_ : away_;
  alarm.raise(now, outcome, waiting_text(), until_text());
  clear_alarms(now);
  return {};
}

// An alarm ends when no part has its trouble any more.
void HdfsSink::clear_alarms(std::int64_t now) {
  if (!away_.is_raised() && !refused_.is_raised()) {
    return;
  }
  bool away = false;
  bool refused = false;
  for (const auto& [first, gather] : parts_) {
    if (gather->retry.is_failing()) {
      (gather->retry.is_refused() ? refused : away) = true;
    }
  }
  if (!away) {
    away_.clear(now);
  }
  if (!refused) {
    refused_.clear(now);
  }
}

std::string HdfsSink::waiting_text() const {
  std::size_t files = 0;
  std::uint64_t events = 0;
  for (const auto& [first, gather] : parts_) {
    if (gather->state != State::open) {
      ++files;
      events += gather->events;
    }
  }
  return count_of(files, "file") + " with " + count_of(events, "event");
}

std::string HdfsSink::until_text() const {
  if (limits_.ended_ms >= 0) {
    return "for " + to_string(Duration{limits_.grace_ms});
  }
  return limits_.give_up_ms > 0 ? "for " + to_string(Duration{limits_.give_up_ms})
                                : "until it works";
}

void HdfsSink::finish(Gather& gather, std::int64_t now) {
  Bucket& bucket = *gather.bucket;
  bucket.counter = gather.counter;
  last_counter_ = std::max(last_counter_, gather.counter);
  bucket.queue.pop_front();
  --rolled_;
  ++committed_;
  parts_.erase(gather.first);
  for (Gather* other : waiting_) {
    other->retry.hurry(now);
  }
  clear_alarms(now);
  if (!bucket.queue.empty()) {
    start_commit(bucket);
  } else if (bucket.open == nullptr) {
    if (last_ == &bucket) {
      last_ = nullptr;
    }
    buckets_.erase(buckets_.find(std::string_view(bucket.key)));
  }
}

Status HdfsSink::run_timers(std::int64_t now) {
  if (options_.roll_interval.ms > 0) {
    while (!by_age_.empty() && by_age_.front()->opened_ms + options_.roll_interval.ms <= now) {
      roll(*by_age_.front());
    }
  }
  if (options_.idle_timeout.ms > 0) {
    while (!by_use_.empty() && by_use_.front()->used_ms + options_.idle_timeout.ms <= now) {
      roll(*by_use_.front());
    }
  }
  if (wanted_ != 0 && now >= last_commit_ms_ + options_.min_commit.ms) {
    commit_wanted(now, false);
  }
  for (std::size_t i = 0; i < waiting_.size();) {
    Gather* const gather = waiting_[i];
    if (gather->retry.due_at(limits_) <= now) {
      waiting_[i] = waiting_.back();
      waiting_.pop_back();
      submit(*gather);
    } else {
      ++i;
    }
  }
  return retry_full(now);
}

Status HdfsSink::retry_full(std::int64_t now) {
  if (full_parts_ == 0 || now < full_retry_ms_) {
    return {};
  }
  full_retry_ms_ = now + kFullRetryMs;
  for (Gather* gather : by_age_) {
    if (gather->is_full) {
      const Outcome outcome = gather->part->write(gather->buffer);
      if (outcome.kind == Outcome::Kind::failed) {
        return outcome.error;
      }
      set_full(*gather, outcome.kind == Outcome::Kind::disk_full, &outcome.error);
    }
  }
  if (full_parts_ != 0 && store_->commit_frees_room()) {
    commit_largest();
  }
  return {};
}

void HdfsSink::commit_largest() {
  if (rolled_ != 0) {
    return;  // room is being made
  }
  const auto largest = std::max_element(
      by_age_.begin(), by_age_.end(),
      [](const Gather* a, const Gather* b) { return a->body_bytes < b->body_bytes; });
  if (largest != by_age_.end()) {
    roll(**largest);
  }
}

bool HdfsSink::ready() const {
  return !is_opening_ && full_parts_ == 0 && rolled_ < kMaxRolled && store_->has_room();
}

std::uint64_t HdfsSink::safe() const { return parts_.empty() ? delivered_ : parts_.begin()->first; }

Status HdfsSink::commit(std::uint64_t n) {
  wanted_ = std::max(wanted_, n);
  const std::int64_t now = monotonic_ms();
  const bool all = n >= delivered_;
  if (all || now >= last_commit_ms_ + options_.min_commit.ms) {
    commit_wanted(now, all);
  }
  return {};
}

void HdfsSink::commit_wanted(std::int64_t now, bool all) {
  bool any = false;
  while (!by_age_.empty() && by_age_.front()->first < wanted_) {
    roll(*by_age_.front());
    any = true;
  }
  if (any || all) {
    last_commit_ms_ = now;
  }
  wanted_ = 0;
}

std::int64_t HdfsSink::deadline_ms() const {
  std::int64_t next = INT64_MAX;
  if (options_.roll_interval.ms > 0 && !by_age_.empty()) {
    next = std::min(next, by_age_.front()->opened_ms + options_.roll_interval.ms);
  }
  if (options_.idle_timeout.ms > 0 && !by_use_.empty()) {
    next = std::min(next, by_use_.front()->used_ms + options_.idle_timeout.ms);
  }
  if (wanted_ != 0) {
    next = std::min(next, last_commit_ms_ + options_.min_commit.ms);
  }
  if (!waiting_.empty() && limits_.ended_ms < 0 && is_ended()) {
    return monotonic_ms();  // just now: progress() sets the bounds of what waits
  }
  for (const Gather* gather : waiting_) {
    next = std::min(next, gather->retry.due_at(limits_));
  }
  if (full_parts_ != 0) {
    next = std::min(next, full_retry_ms_);
  }
  return next == INT64_MAX ? -1 : next;
}

Status HdfsSink::close() {
  if (store_ == nullptr) {
    return {};
  }
  const bool clean = !has_failed_ && !is_opening_ && parts_.empty();
  if (!clean) {
    store_->cancel();
  }
  pool_.finish(clean);
  is_opening_ = false;
  for (auto& [first, gather] : parts_) {
    gather->part->discard();  // nothing to do for one that was committed at the last moment
  }
  by_age_.clear();
  by_use_.clear();
  waiting_.clear();
  parts_.clear();
  buckets_.clear();
  last_ = nullptr;
  store_->log_out();
  return {};
}

std::string HdfsSink::status() const {
  if (is_opening_) {
    return "waiting for " + store_->place();
  }
  for (const Alarm* alarm : {&refused_, &away_}) {
    if (alarm->is_raised()) {
      return waiting_text() + " waiting " + alarm->text(monotonic_ms());
    }
  }
  return {};
}

void HdfsSink::figures(FigureList& out) const {
  out.gauge("files_open", "Files that take events.", by_age_.size()).said("files open");
  out.counter("files_committed_total", "Files that appeared under their final name.", committed_)
      .said("committed");
  out.gauge("uploads_running", "Files that are being stored.", committing_)
      .said_if_any("uploading");
  out.gauge("files_waiting", "Files whose storing failed and will be tried again.",
            waiting_.size());
  out.counter("retries_total", "Attempts to store a file that failed and are tried again.",
              retries_);
  if (full_parts_ != 0) {
    out.alarm("disk_full");
  }
  if (refused_.is_raised()) {
    out.alarm("refused");
  }
  if (away_.is_raised()) {
    out.alarm("unavailable");
  }
}

}  // namespace fl
