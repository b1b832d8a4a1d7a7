// The events of one request on their way into blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/avrorpc/call_events.h"
#include "common/event/event.h"
#include "common/stream/block_builder.h"

namespace fl {

/// Owns the bytes of a request that was checked (CallEvents::count()), and copies its events.
class RequestEvents {
 public:
  /// A header that each event gets; it replaces the client's own one of that name.
  struct Header {
    std::string name;
    std::string value;
    std::string encoded;  ///< as a block of a map of headers; empty: no header is added
  };

  /// The call's parameters begin at `at` of `message`. `limits` outlives it.
  RequestEvents(std::string message, std::size_t at, bool is_batch, const EventLimits& limits,
                Header header);
  RequestEvents(const RequestEvents&) = delete;
  RequestEvents& operator=(const RequestEvents&) = delete;

  /// Copies what fits and adds its number to `handed_on`. False: the rest found no room.
  bool hand_on(BlockBuilder& out, std::uint64_t& handed_on);
  /// The memory of the message, for another one. The last call.
  std::string&& message() && { return std::move(message_); }

 private:
  bool hand_on_runs(BlockBuilder& out, std::uint64_t& handed_on);
  bool hand_on_with_header(BlockBuilder& out, std::uint64_t& handed_on);
  const Event* take();

  std::string message_;
  CallEvents events_;
  const Event* next_ = nullptr;  // the one that found no room
  Header header_;
};

}  // namespace fl
