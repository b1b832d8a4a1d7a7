// What a line of text is, where it is not the body of an event.
#pragma once

#include <functional>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"

namespace fl {

/// Makes an event of each line. One object serves one line after the other.
class LineForm {
 public:
  virtual ~LineForm() = default;
  /// False: the line holds no event, which is not a fault (a blank line). Error of class input: the
  /// line is not an event within `limits`; the message says why.
  virtual Result<bool> parse(std::string_view line, const EventLimits& limits) = 0;
  /// Of the event that was made last: its encoded headers and its body, valid until the next call.
  virtual std::string_view map() const = 0;
  virtual std::string_view body() const = 0;
  /// How long the line of an event within `limits` may be.
  virtual std::size_t longest_line(const EventLimits& limits) const = 0;
};

/// Takes a line that is not an event, and why; an error ends the input.
using RefusedLine = std::function<Status(std::string_view line, const Error& why)>;

}  // namespace fl
