// What happens to a part that is rolled: it is stored in the background, tried again, and settled.
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/units.h"
#include "tools/fl-sink/hdfs/sink.h"

namespace fl {

// The part takes no more events and is committed after those of its bucket before it.
void HdfsSink::roll(HeldPart& held) {
  held.serializer->end(held.buffer);
  held.serializer.reset();
  by_age_.erase(held.by_age);
  by_use_.erase(held.by_use);
  held.state = State::queued;
  ++rolled_;
  Bucket& bucket = *held.bucket;
  bucket.open = nullptr;
  bucket.queue.push_back(&held);
  if (bucket.queue.size() == 1) {
    start_commit(bucket);
  }
}

void HdfsSink::start_commit(Bucket& bucket) {
  HeldPart& held = *bucket.queue.front();
  held.counter = bucket.counter + 1;
  submit(held);
}

void HdfsSink::submit(HeldPart& held) {
  held.state = State::committing;
  ++committing_;
  pool_.submit([this, &held] {
    held.outcome = held.part->commit(held.buffer, held.counter);
    {
      const std::lock_guard lock(finished_mutex_);
      finished_.push_back(&held);
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
  for (HeldPart* held : taken_) {
    --committing_;
    Status settled = take_outcome(*held, now);
    if (!settled && result.ok()) {
      result = settled;
    }
  }
  return result;
}

Status HdfsSink::take_outcome(HeldPart& held, std::int64_t now) {
  const Outcome& outcome = held.outcome;
  set_full(held, outcome.kind == Outcome::Kind::disk_full, &outcome.error);
  if (outcome.kind == Outcome::Kind::done) {
    finish(held, now);
    return {};
  }
  held.state = State::waiting;
  if (outcome.kind == Outcome::Kind::disk_full) {
    held.retry.disk_full(now, kFullRetryMs);
    waiting_.push_back(&held);
    return {};
  }
  if (outcome.kind == Outcome::Kind::failed && outcome.error.kind != ErrorClass::unavailable) {
    return outcome.error;
  }
  return wait_for_retry(held, now);
}

Status HdfsSink::wait_for_retry(HeldPart& held, std::int64_t now) {
  const Outcome& outcome = held.outcome;
  const Trouble trouble{outcome.error, outcome.kind == Outcome::Kind::refused, outcome.waiting_for};
  held.retry.failed(now, trouble.needs_person, limits_);
  if (held.retry.is_over(now, limits_)) {
    Error error = outcome.error;
    error.message += held.retry.tried_for(now);
    return error;
  }
  ++retries_;
  waiting_.push_back(&held);
  Alarm& alarm = trouble.needs_person ? refused_ : away_;
  alarm.raise(now, trouble, waiting_text(), limits_.until_text());
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
  for (const auto& [first, held] : parts_) {
    if (held->retry.is_failing()) {
      (held->retry.needs_person() ? refused : away) = true;
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
  for (const auto& [first, held] : parts_) {
    if (held->state != State::open) {
      ++files;
      events += held->events;
    }
  }
  return count_of(files, "file") + " with " + count_of(events, "event");
}

void HdfsSink::finish(HeldPart& held, std::int64_t now) {
  Bucket& bucket = *held.bucket;
  bucket.counter = held.counter;
  last_counter_ = std::max(last_counter_, held.counter);
  bucket.queue.pop_front();
  --rolled_;
  ++committed_;
  parts_.erase(held.first);
  for (HeldPart* other : waiting_) {
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
    HeldPart* const held = waiting_[i];
    if (held->retry.due_at(limits_) <= now) {
      waiting_[i] = waiting_.back();
      waiting_.pop_back();
      submit(*held);
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
  for (HeldPart* held : by_age_) {
    if (held->is_full) {
      const Outcome outcome = held->part->write(held->buffer);
      if (outcome.kind == Outcome::Kind::failed) {
        return outcome.error;
      }
      set_full(*held, outcome.kind == Outcome::Kind::disk_full, &outcome.error);
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
      [](const HeldPart* a, const HeldPart* b) { return a->body_bytes < b->body_bytes; });
  if (largest != by_age_.end()) {
    roll(**largest);
  }
}

}  // namespace fl
