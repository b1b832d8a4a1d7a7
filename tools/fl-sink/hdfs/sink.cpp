#include "tools/fl-sink/hdfs/sink.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::size_t kWriteBytes = 256 << 10;   // one write(2)
constexpr std::uint64_t kMemoryBytes = 8 << 20;  // gathered in memory over all parts
constexpr std::size_t kFewParts = 8;             // so few keep their buffers' memory
constexpr std::size_t kMaxRolled = 64;           // parts in flight before reading stops
constexpr std::size_t kMaxSwept = 10'000;

}  // namespace

std::optional<Guarantee> HdfsSink::guarantee() const {
  return Guarantee{Level::gathered, store_ == nullptr ? "hdfs closed and renamed" : store_->rule()};
}

Status HdfsSink::deliver(const Batch& batch) {
  const std::int64_t now = monotonic_ms();
  const std::int64_t wall = names_->uses_clock() ? wall_ms() : 0;
  const bool is_looked_at = !names_->is_constant() || format_->examines();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch.kept(i)) {
      ++delivered_;
      continue;
    }
    const Event& event = batch[i];
    if (is_looked_at) {
      if (Status known = look_at(event, wall); !known) {
        if (Status kept = reject(event, known.error()); !kept) {
          return kept;
        }
        ++delivered_;
        continue;
      }
    }
    if (last_ == nullptr) {
      if (names_->is_constant()) {
        (void)names_->locate(event, wall);
      }
      last_ = &bucket_of_last_located();
    }
    if (Status appended = append(*last_, event, now); !appended) {
      return appended;
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

// Its kind and its bucket; last_ is null where they are not those of the event before.
Status HdfsSink::look_at(const Event& event, std::int64_t wall) {
  if (format_->examines()) {
    const Result<bool> other = format_->examine(event);
    if (!other) {
      return other.error();
    }
    if (*other) {
      last_ = nullptr;
    }
  }
  if (!names_->is_constant()) {
    const Result<bool> moved = names_->locate(event, wall);
    if (!moved) {
      return moved.error();
    }
    if (*moved) {
      last_ = nullptr;
    }
  }
  return {};
}

// Adds the event to the open part of its bucket, which may be complete with it.
inline Status HdfsSink::append(Bucket& bucket, const Event& event, std::int64_t now) {
  HeldPart* part = bucket.open;
  if (part == nullptr) {
    Result<HeldPart*> begun = begin_part(bucket, now);
    if (!begun) {
      has_failed_ = true;
      return begun.error();
    }
    part = *begun;
  } else if (by_use_.back() != part) {
    by_use_.splice(by_use_.end(), by_use_, part->by_use);
  }
  part->used_ms = now;
  part->serializer->append(part->buffer, event);
  const std::size_t body = event.size - event.body_offset;
  part->body_bytes += body;
  unchecked_bytes_ += body;
  ++part->events;
  ++delivered_;
  if (part->buffer.size() >= kWriteBytes) {
    if (Status written = write_out(*part); !written) {
      return written;
    }
  }
  const std::uint64_t roll_size = options_.roll_size.value;
  if ((roll_size != 0 && part->body_bytes >= roll_size) ||
      (options_.roll_count != 0 && part->events >= options_.roll_count)) {
    roll(*part);
  }
  return {};
}

// An event that has no place: it goes to the dead letters, or ends the stage.
Status HdfsSink::reject(const Event& event, const Error& why) {
  Status kept = rejects_ == nullptr ? Status(why) : rejects_->reject(event, why);
  has_failed_ = has_failed_ || !kept;
  return kept;
}

HdfsSink::Bucket& HdfsSink::bucket_of_last_located() {
  // Files of several kinds may be in one directory under one prefix.
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

Result<HdfsSink::HeldPart*> HdfsSink::begin_part(Bucket& bucket, std::int64_t now) {
  while (by_use_.size() >= max_open_) {
    roll(*by_use_.front());
  }
  auto held = std::make_unique<HeldPart>();
  HeldPart* const part = held.get();
  part->bucket = &bucket;
  part->serializer = format_->serializer();
  part->part = store_->part(bucket.names, bucket.counter + bucket.queue.size() + 1);
  part->first = delivered_;
  part->opened_ms = now;
  part->used_ms = now;
  part->by_age = by_age_.insert(by_age_.end(), part);
  part->by_use = by_use_.insert(by_use_.end(), part);
  part->serializer->begin(part->buffer);
  parts_.emplace(delivered_, std::move(held));
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

// Moves the buffer to the part. A full disk is not an error: the bytes stay and reading stops.
Status HdfsSink::write_out(HeldPart& held) {
  if (full_parts_ != 0 || held.buffer.empty()) {
    return {};
  }
  const Outcome outcome = held.part->write(held.buffer);
  if (outcome.kind == Outcome::Kind::failed) {
    has_failed_ = true;
    return outcome.error;
  }
  set_full(held, outcome.kind == Outcome::Kind::disk_full, &outcome.error);
  return {};
}

void HdfsSink::set_full(HeldPart& held, bool full, const Error* why) {
  if (full) {
    full_retry_ms_ = monotonic_ms() + kFullRetryMs;
  }
  if (held.is_full == full) {
    return;
  }
  held.is_full = full;
  if (full && ++full_parts_ == 1) {
    full_why_ = *why;
    log(LogLevel::warning, why->message + "; reading stops until there is room");
  } else if (!full && --full_parts_ == 0) {
    log(LogLevel::info, "there is room again: reading continues");
  }
}

Status HdfsSink::relieve_memory() {
  unchecked_bytes_ = 0;
  std::uint64_t bytes = 0;
  for (const HeldPart* held : by_age_) {
    bytes += held->buffer.size() + held->serializer->pending();
  }
  const bool many = by_age_.size() > kFewParts;
  if (bytes < kMemoryBytes || !many) {
    return {};
  }
  for (HeldPart* held : by_age_) {
    held->serializer->flush(held->buffer);
    if (Status written = write_out(*held); !written) {
      return written;
    }
    if (held->buffer.empty()) {
      std::string().swap(held->buffer);
    }
  }
  return {};
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
  for (const HeldPart* held : waiting_) {
    next = std::min(next, held->retry.due_at(limits_));
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
  for (auto& [first, held] : parts_) {
    held->part->discard();  // nothing to do for one that was committed at the last moment
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

std::optional<Error> HdfsSink::missing() const {
  if (full_parts_ != 0) {
    return full_why_;
  }
  return waiting_.empty() ? std::nullopt : std::optional(waiting_.front()->outcome.error);
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
