#include "tools/fl-sink/roll_names.h"

#include <array>
#include <ctime>
#include <utility>

namespace fl {

RollNames::RollNames(Manager manager, std::string prefix, std::string extension,
                     std::int64_t start_ms)
    : manager_(manager),
      prefix_(std::move(prefix)),
      extension_(std::move(extension)),
      series_(std::to_string(start_ms)) {}

std::string RollNames::next(std::int64_t now_ms) {
  if (manager_ == Manager::roll_time) {
    const std::time_t seconds = now_ms / 1000;
    std::tm local{};
    localtime_r(&seconds, &local);
    std::array<char, 32> text;
    std::string now(text.data(), std::strftime(text.data(), text.size(), "%Y%m%d%H%M%S", &local));
    if (now != series_) {
      series_ = std::move(now);
      number_ = 0;
    }
  }
  std::string name = prefix_ + series_ + "-" + std::to_string(++number_);
  if (!extension_.empty()) {
    name += "." + extension_;
  }
  return name;
}

}  // namespace fl
