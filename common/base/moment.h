// A point in time, as users type it.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/error.h"

namespace fl {

/// Milliseconds since 1970 of "2026-01-31", "2026-01-31T12:30", "2026-01-31T12:30:00" (local time),
/// the same with Z (UTC), or "@1767225600" (seconds since 1970). Errors: class usage.
Result<std::uint64_t> parse_moment(const std::string& text);

}  // namespace fl
