#include "common/net/repeated_warning.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/base/text.h"

namespace fl {

bool RepeatedWarning::happened(std::int64_t now_ms) {
  if (interval_ms_ > 0 && now_ms - last_ms_ > 2 * interval_ms_) {
    interval_ms_ = 0;
  }
  last_ms_ = now_ms;
  ++total_;
  ++unreported_;
  return interval_ms_ == 0 || now_ms >= next_ms_;
}

void RepeatedWarning::reported(std::int64_t now_ms) {
  unreported_ = 0;
  last_ms_ = now_ms;
  interval_ms_ = interval_ms_ == 0 ? kFirstIntervalMs : std::min(2 * interval_ms_, kLastIntervalMs);
  next_ms_ = now_ms + interval_ms_;
}

void RepeatedWarning::report(std::int64_t now_ms, std::string text, std::string_view each) {
  if (unreported_ > 1) {
    text += " (" + count_of(unreported_, each) + " since the last report)";
  }
  log(LogLevel::warning, text);
  reported(now_ms);
}

}  // namespace fl
