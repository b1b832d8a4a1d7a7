// Events whose bodies are the numbers from 0 on, and what a block holds of them.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "common/event/batch.h"
#include "common/stream/block_builder.h"

namespace fl {

class NumberedEvents {
 public:
  /// The next `count` events; they hold until the next call.
  const Batch& batch(std::size_t count) {
    bytes_.clear();
    batch_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      append_event(bytes_, {}, std::to_string(next_++));
    }
    const auto* p = reinterpret_cast<const std::uint8_t*>(bytes_.data());
    const std::uint8_t* const end = p + bytes_.size();
    while (p != end) {
      Event event;
      const char* why = nullptr;
      p = scan_event(p, end, EventLimits(), event, why);
      batch_.add(event);
    }
    return batch_;
  }

 private:
  std::uint64_t next_ = 0;
  std::string bytes_;
  Batch batch_;
};

using Numbers = std::vector<std::uint64_t>;

/// The numbers in a block; a body that is not a number is the largest one.
inline Numbers numbers_of(const Block& block) {
  Numbers numbers;
  const std::uint8_t* p = block.data;
  while (p != nullptr && p != block.data + block.size) {
    Event event;
    const char* why = nullptr;
    p = scan_event(p, block.data + block.size, EventLimits(), event, why);
    const std::string body(p == nullptr ? "" : event.body());
    const bool is_number = !body.empty() && body.find_first_not_of("0123456789") == body.npos;
    numbers.push_back(is_number ? std::stoull(body) : std::numeric_limits<std::uint64_t>::max());
  }
  return numbers.size() == block.count ? std::move(numbers) : Numbers();
}

}  // namespace fl
