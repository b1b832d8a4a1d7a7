// Whether a header that an interceptor is to set fits into a stream.
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"

namespace fl {

/// Error of class config: the name or the value is longer than `limits` say.
inline Status check_header(const EventLimits& limits, std::string_view name,
                           std::string_view value = {}) {
  if (name.size() > limits.name_bytes) {
    return Error{ErrorClass::config, "the name of a header has " + std::to_string(name.size()) +
                                         " bytes; " + std::to_string(limits.name_bytes) +
                                         " are possible"};
  }
  if (value.size() > limits.value_bytes) {
    return Error{ErrorClass::config, "the value of the header '" + std::string(name) + "' has " +
                                         std::to_string(value.size()) + " bytes; " +
                                         std::to_string(limits.value_bytes) + " are possible"};
  }
  return {};
}

}  // namespace fl
