#include "common/net/retry.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/base/random.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::int64_t kFirstPauseMs = 100;
constexpr std::int64_t kMostPauseMs = 10'000;
constexpr std::int64_t kFirstRefusedMs = 2'000;
constexpr std::int64_t kHurryMs = 500;
constexpr std::int64_t kFirstSayMs = 60'000;
constexpr std::int64_t kMostSayMs = 3'600'000;
constexpr std::int64_t kOtherMs = 10'000;

/// Between half of `most` and all of it, so that many who wait for one server do not meet.
std::int64_t jitter(std::int64_t most) {
  const auto random = static_cast<unsigned char>(random_bytes(1)[0]);
  return most / 2 + most / 2 * random / 255;
}

// A span for people, in one unit.
std::string span(std::int64_t ms) {
  const std::int64_t unit = ms < 1'000       ? 1
                            : ms < 120'000   ? 1'000
                            : ms < 7'200'000 ? 60'000
                                             : 3'600'000;
  return to_string(Duration{ms / unit * unit});
}

}  // namespace

std::string RetryLimits::until_text() const {
  const std::int64_t limit = ended_ms >= 0 ? grace_ms : give_up_ms;
  return ended_ms >= 0 || limit > 0 ? "for " + to_string(Duration{limit}) : "until it works";
}

void Retry::failed(std::int64_t now, bool needs_person, const RetryLimits& limits) {
  ++tries_;
  if (failures_ == 0) {
    first_ms_ = now;
  }
  if (failures_ != 0 && needs_person != needs_person_) {
    failures_ = 0;  // another trouble: its own pauses from the start
  }
  needs_person_ = needs_person;
  const std::int64_t first = needs_person ? kFirstRefusedMs : kFirstPauseMs;
  const std::int64_t most =
      needs_person ? limits.pause_ms : std::min(kMostPauseMs, limits.pause_ms);
  next_ms_ = now + jitter(std::min(first << std::min(failures_, 10), most));
  ++failures_;
}

void Retry::not_before(std::int64_t at) { next_ms_ = std::max(next_ms_, at); }

bool Retry::is_over(std::int64_t now, const RetryLimits& limits) const {
  return now >= give_up_at(limits) || (limits.tries > 0 && tries_ >= limits.tries);
}

std::string Retry::tried_for(std::int64_t now) const {
  return " (tried for " + span(now - first_ms_) + ")";
}

void Retry::disk_full(std::int64_t now, std::int64_t pause_ms) { next_ms_ = now + pause_ms; }

void Retry::hurry(std::int64_t now) {
  if (failures_ != 0 && !needs_person_) {
    next_ms_ = std::min(next_ms_, now + jitter(kHurryMs));
  }
}

std::int64_t Retry::give_up_at(const RetryLimits& limits) const {
  std::int64_t at = INT64_MAX;
  if (failures_ == 0) {
    return at;
  }
  if (limits.ended_ms >= 0) {
    at = std::max(first_ms_, limits.ended_ms) + limits.grace_ms;
  }
  if (limits.give_up_ms > 0) {
    at = std::min(at, first_ms_ + limits.give_up_ms);
  }
  return at;
}

std::int64_t Retry::due_at(const RetryLimits& limits) const {
  return std::min(next_ms_, give_up_at(limits));
}

void Alarm::raise(std::int64_t now, const Trouble& trouble, std::string_view waiting,
                  std::string_view until) {
  // Quota and permission in turn are reported in turn, but not at each try.
  const bool is_other = is_raised_ && class_ != trouble.error.kind && now >= said_ms_ + kOtherMs;
  if (!is_raised_) {
    is_raised_ = true;
    since_ms_ = now;
  }
  reason_ = trouble.waiting_for.empty() ? trouble.error.message : trouble.waiting_for;
  if (is_other || pause_ms_ == 0) {
    pause_ms_ = kFirstSayMs;
  } else if (now < next_ms_) {
    return;
  } else {
    pause_ms_ = std::min(2 * pause_ms_, kMostSayMs);
  }
  said_ms_ = now;
  next_ms_ = now + pause_ms_;
  class_ = trouble.error.kind;
  Error error = trouble.error;
  error.message += "; ";
  error.message += waiting;
  error.message += now == since_ms_ ? " waiting" : " waiting for " + span(now - since_ms_);
  error.message += ", trying again ";
  error.message += until;
  if (trouble.needs_person) {
    log(error);
  } else {
    log(LogLevel::warning, error.hint.empty() ? error.message : error.message + "; " + error.hint);
  }
}

void Alarm::clear(std::int64_t now) {
  if (!is_raised_) {
    return;
  }
  log(LogLevel::info, std::string(continues_) + " after " + span(now - since_ms_));
  is_raised_ = false;
  pause_ms_ = 0;
  reason_.clear();
}

std::string Alarm::text(std::int64_t now) const {
  constexpr std::size_t kMost = 200;
  if (!is_raised_) {
    return {};
  }
  return "for " + span(now - since_ms_) + ": " + reason_.substr(0, kMost);
}

void DeliveryAlarm::raise(std::int64_t now, const Trouble& trouble, std::string_view waiting,
                          std::string_view until) {
  (trouble.needs_person ? away_ : refused_).clear(now);
  (trouble.needs_person ? refused_ : away_).raise(now, trouble, waiting, until);
}

void DeliveryAlarm::clear(std::int64_t now) {
  away_.clear(now);
  refused_.clear(now);
}

std::string DeliveryAlarm::status(std::int64_t now) const {
  const Alarm& alarm = refused_.is_raised() ? refused_ : away_;
  return alarm.is_raised() ? "waiting " + alarm.text(now) : std::string();
}

std::string_view DeliveryAlarm::name() const {
  return refused_.is_raised() ? "refused" : away_.is_raised() ? "unavailable" : "";
}

}  // namespace fl
