#include "common/event/path_clock.h"

#include <algorithm>
#include <charconv>
#include <exception>

#include <date/date.h>
#include <date/tz.h>

#include "common/event/system_zone.h"

namespace fl {
namespace {

// Local times are computed with date's 16 bit years; well inside them.
constexpr std::int64_t kMaxSeconds = 900'000'000'000;

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::int64_t floor_to(std::int64_t value, std::int64_t unit) {
  return floor_div(value, unit) * unit;
}

// "GMT+5", "UTC-05:30", "GMT+0530": seconds east.
std::optional<std::int32_t> fixed_zone(std::string_view id) {
  if (id == "GMT" || id == "UTC" || id == "Z" || id == "UT") {
    return 0;
  }
  if (!id.starts_with("GMT") && !id.starts_with("UTC")) {
    return std::nullopt;
  }
  id.remove_prefix(3);
  if (id.front() != '+' && id.front() != '-') {
    return std::nullopt;
  }
  const std::int32_t sign = id.front() == '-' ? -1 : 1;
  id.remove_prefix(1);
  std::string digits(id);
  const std::size_t colon = digits.find(':');
  if (colon != std::string::npos) {
    digits.erase(colon, 1);
  }
  const bool all_digits =
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits.empty() || digits.size() > 4 || !all_digits ||
      (colon != std::string::npos && colon + 2 != digits.size())) {
    return std::nullopt;
  }
  int number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const int hours = digits.size() > 2 ? number / 100 : number;
  const int minutes = digits.size() > 2 ? number % 100 : 0;
  if (hours > 23 || minutes > 59) {
    return std::nullopt;
  }
  return sign * (hours * 3600 + minutes * 60);
}

// The library throws for an unknown zone and for a missing zone database.
const date::time_zone* find_zone(const std::string& id) {
  try {
    return date::locate_zone(id);
  } catch (const std::exception&) {
    return nullptr;
  }
}

}  // namespace

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') {
    text.remove_prefix(1);
  }
  std::int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

Result<PathClock> PathClock::in_zone(const std::string& id) {
  PathClock clock;
  if (id.empty()) {
    clock.is_system_zone_ = true;
    const Status loaded = load_system_zone();
    return loaded ? Result<PathClock>(clock) : Result<PathClock>(loaded.error());
  }
  if (const std::optional<std::int32_t> fixed = fixed_zone(id)) {
    clock.fixed_offset_s_ = *fixed;
    return clock;
  }
  clock.zone_ = find_zone(id);
  if (clock.zone_ == nullptr) {
    return Error{ErrorClass::config, "unknown time zone '" + id + "'",
                 "a name such as Europe/Berlin, UTC or GMT+05:30 is expected; "
                 "/usr/share/zoneinfo holds the known ones"};
  }
  return clock;
}

Result<PathClock> PathClock::make(const PathTimeOptions& options) {
  Result<PathClock> made = in_zone(options.time_zone);
  if (!made) {
    return made;
  }
  PathClock& clock = *made;
  if (!options.round) {
    return clock;
  }
  const std::string& unit = options.round_unit;
  const std::int64_t step = unit == "hour" ? 3600 : unit == "minute" ? 60 : 1;
  const std::uint64_t most = unit == "hour" ? 24 : 60;
  if (unit != "hour" && unit != "minute" && unit != "second") {
    return Error{ErrorClass::config, "cannot round to '" + unit + "'",
                 "second, minute or hour are expected"};
  }
  if (options.round_value < 1 || options.round_value > most) {
    return Error{ErrorClass::config,
                 "cannot round to " + std::to_string(options.round_value) + " " + unit + "s",
                 "1 to " + std::to_string(most) + " are possible"};
  }
  clock.round_s_ = step * static_cast<std::int64_t>(options.round_value);
  clock.within_s_ = unit == "hour" ? 86400 : step * 60;
  clock.round_step_ = unit == "hour"     ? PathTimeStep::hour
                      : unit == "minute" ? PathTimeStep::minute
                                         : PathTimeStep::second;
  return clock;
}

std::int32_t PathClock::offset_at(std::int64_t epoch_s) const {
  if (is_system_zone_) {
    return system_offset(epoch_s);
  }
  if (zone_ == nullptr) {
    return fixed_offset_s_;
  }
  const date::sys_info info = zone_->get_info(date::sys_seconds{std::chrono::seconds{epoch_s}});
  return static_cast<std::int32_t>(info.offset.count());
}

PathClock::Span PathClock::same_offset(std::int64_t epoch_s, std::int64_t from,
                                       std::int64_t until) const {
  if (zone_ != nullptr) {
    const date::sys_info info = zone_->get_info(date::sys_seconds{std::chrono::seconds{epoch_s}});
    return {std::max<std::int64_t>(from, info.begin.time_since_epoch().count()),
            std::min<std::int64_t>(until, info.end.time_since_epoch().count())};
  }
  if (!is_system_zone_) {
    return {from, until};
  }
  // The C library does not report changes: they are found by bisection. No zone has two within a
  // day.
  const std::int32_t offset = system_offset(epoch_s);
  const auto edge = [&](std::int64_t same, std::int64_t other) {
    if (system_offset(other) == offset) {
      return other;
    }
    while (same - other > 1 || other - same > 1) {
      const std::int64_t middle = same + (other - same) / 2;
      (system_offset(middle) == offset ? same : other) = middle;
    }
    return same;
  };
  return {edge(epoch_s, from), edge(epoch_s, until - 1) + 1};
}

Result<PathClock::Moment> PathClock::at(std::int64_t ms) const {
  const std::int64_t epoch = floor_div(ms, 1000);
  if (epoch > kMaxSeconds || epoch < -kMaxSeconds) {
    return Error{ErrorClass::input, "the timestamp " + std::to_string(ms) + " ms is out of range",
                 "the header 'timestamp' holds milliseconds since 1970"};
  }
  if (round_s_ != 0 && ms <= 0) {
    return Error{ErrorClass::input,
                 "the timestamp " + std::to_string(ms) + " cannot be rounded: it is not positive"};
  }
  Moment moment;
  moment.ms = ms;
  moment.epoch_s = epoch;
  moment.offset_s = offset_at(epoch);
  moment.local_s = epoch + moment.offset_s;
  if (round_s_ != 0) {
    const std::int64_t begin = floor_to(moment.local_s, within_s_);
    moment.local_s = begin + floor_to(moment.local_s - begin, round_s_);
    moment.epoch_s = moment.local_s - moment.offset_s;
    const std::int32_t offset = offset_at(moment.epoch_s);
    if (offset != moment.offset_s) {  // rounded back over a change of the zone's offset
      moment.offset_s = offset;
      moment.epoch_s = moment.local_s - offset;
    }
  }
  return moment;
}

PathClock::Span PathClock::span(std::int64_t ms, PathTimeStep step) const {
  if (step == PathTimeStep::never) {
    return {INT64_MIN, INT64_MAX};
  }
  if (step == PathTimeStep::millisecond) {
    return {ms, ms + 1};
  }
  if (round_s_ != 0 && round_step_ < step) {
    step = round_step_;
  }
  const std::int64_t unit = step == PathTimeStep::second   ? 1
                            : step == PathTimeStep::minute ? 60
                            : step == PathTimeStep::hour   ? 3600
                                                           : 86400;
  const std::int64_t epoch = floor_div(ms, 1000);
  const std::int32_t offset = offset_at(epoch);
  const std::int64_t from = floor_to(epoch + offset, unit) - offset;
  Span span =
      same_offset(epoch, std::max(from, -kMaxSeconds), std::min(from + unit, kMaxSeconds + 1));
  span.from_ms *= 1000;
  span.until_ms *= 1000;
  if (round_s_ != 0) {
    span.from_ms = std::max<std::int64_t>(span.from_ms, 1);
  }
  return span;
}

}  // namespace fl
