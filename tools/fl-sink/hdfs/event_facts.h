// Checks of an event's headers before it gets its place.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"

namespace fl {

/// The header timestamp; `what` needs it ("the path"). Class input: there is none, or it is not a
/// number.
Result<std::int64_t> time_of(const Event& event, std::string_view what);

}  // namespace fl
