// The events of a call, in the bytes of its message: encoded as in our streams, so they are copied.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"

namespace fl {

/// Walks the events of append or appendBatch. The bytes belong to the message.
class CallEvents {
 public:
  CallEvents() = default;
  /// `is_batch`: an array of events, else one event. `limits` outlives it.
  CallEvents(std::string_view parameters, bool is_batch, const EventLimits& limits);

  /// How many there are; class input where one is damaged or larger than the limits, or where
  /// something else follows. It starts from where next() would, and leaves that place as it is.
  Result<std::uint64_t> count() const;
  /// The next event. Nullptr: there is none. Only after count() succeeded.
  const Event* next();

 private:
  enum class Step { event, end, damaged };
  Step step();

  const std::uint8_t* next_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  const EventLimits* limits_ = nullptr;
  bool is_batch_ = false;
  std::int64_t in_block_ = 0;  // of the array: left in its current block
  bool is_over_ = true;
  Event event_;
  const char* why_ = "";
};

}  // namespace fl
