#include "common/fanout/output_order.h"

#include <algorithm>

#include "common/base/random.h"

namespace fl {
namespace {

constexpr std::int64_t kRetryMs = 1000;
constexpr std::int64_t kForgiveMs = 3'600'000;  // a failure an hour after the last is the first
constexpr unsigned kMostDoublings = 16;

}  // namespace

std::vector<std::size_t> OutputOrder::order() {
  const std::size_t count = states_.size();
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) {
    order[i] = settings_.policy == Policy::round_robin ? (next_ + i) % count : i;
  }
  if (settings_.policy == Policy::random) {
    const std::string bytes = random_bytes(count * 2);
    const auto byte = [&](std::size_t at) {
      return std::size_t{static_cast<unsigned char>(bytes[at])};
    };
    for (std::size_t i = count; i > 1; --i) {
      const std::size_t number = byte(2 * i - 2) << 8 | byte(2 * i - 1);
      std::swap(order[i - 1], order[number % i]);
    }
  }
  return order;
}

void OutputOrder::failed(std::size_t i, std::int64_t now_ms) {
  State& state = states_[i];
  if (now_ms - state.last_ms > kForgiveMs) {
    state.failures = 0;
  }
  state.failures = std::min(state.failures + 1, kMostDoublings);
  state.last_ms = now_ms;
  state.until_ms = now_ms + (settings_.most_penalty_ms == 0
                                 ? kRetryMs
                                 : std::min(kRetryMs << state.failures, settings_.most_penalty_ms));
}

}  // namespace fl
