#include "common/stage/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr std::int64_t kIntervalMs = 500;

}  // namespace

Progress::Progress(std::string name, bool live)
    : name_(std::move(name)),
      live_(live),
      start_ms_(monotonic_ms()),
      next_ms_(start_ms_ + kIntervalMs),
      last_ms_(start_ms_) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (live_) {
    set_status_line({});
  }
}

void Progress::measure(const Figures& figures) {
  const std::int64_t now = monotonic_ms();
  if (now - last_ms_ >= kIntervalMs / 2) {
    rate_ = static_cast<double>(figures.events - last_events_) * 1000.0 /
            static_cast<double>(now - last_ms_);
    last_ms_ = now;
    last_events_ = figures.events;
  } else if (last_events_ == 0 && now > start_ms_) {
    rate_ = static_cast<double>(figures.events) * 1000.0 / static_cast<double>(now - start_ms_);
  }
}

std::string Progress::line(const Figures& figures, const char* rate_is) const {
  const std::int64_t seconds = (monotonic_ms() - start_ms_) / 1000;
  const auto rate = static_cast<std::uint64_t>(std::llround(rate_));
  std::string text =
      fmt::format("{}, {}, {}:{:02}, {}/s{}, {} unacknowledged", count_of(figures.events, "event"),
                  human_bytes(static_cast<double>(figures.body_bytes)), seconds / 60, seconds % 60,
                  count_of(rate, "event"), rate_is, figures.unacknowledged);
  for (const std::string& more : {figures.own.words(), figures.more}) {
    text += more.empty() ? "" : ", " + more;
  }
  return text;
}

void Progress::tick(const Figures& figures) {
  if (live_ && monotonic_ms() >= next_ms_) {
    next_ms_ = monotonic_ms() + kIntervalMs;
    measure(figures);
    set_status_line(name_ + ": " + line(figures, ""));
  }
}

void Progress::report(const Figures& figures) {
  measure(figures);
  log(LogLevel::info, line(figures, ""));
}

void Progress::report_end(const Figures& figures) {
  const auto ms = static_cast<double>(std::max<std::int64_t>(monotonic_ms() - start_ms_, 1));
  rate_ = static_cast<double>(figures.events) * 1000.0 / ms;
  log(LogLevel::info, line(figures, " on average"));
}

}  // namespace fl
