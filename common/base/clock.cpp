#include "common/base/clock.h"

#include <algorithm>
#include <atomic>
#include <ctime>

namespace fl {
namespace {

std::atomic<std::int64_t> manual_ms{-1};  // -1: there is no manual clock

std::int64_t read_ms(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

std::int64_t wall_ms() { return read_ms(CLOCK_REALTIME); }
std::int64_t monotonic_ms() {
  const std::int64_t manual = manual_ms.load(std::memory_order_relaxed);
  return manual < 0 ? read_ms(CLOCK_MONOTONIC) : manual;
}

ManualClock::ManualClock() { manual_ms = read_ms(CLOCK_MONOTONIC); }
ManualClock::~ManualClock() { manual_ms = -1; }
void ManualClock::advance(std::int64_t ms) { manual_ms += ms; }
bool ManualClock::exists() { return manual_ms >= 0; }

bool ManualClock::move_to(std::int64_t ms) {
  if (!exists()) {
    return false;
  }
  manual_ms = std::max<std::int64_t>(manual_ms, ms);
  return true;
}

}  // namespace fl
