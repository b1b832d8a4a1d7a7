// The time zone of the environment, as the C library and date(1) read it.
#pragma once

#include <cstdint>

#include "common/base/error.h"

namespace fl {

/// Makes $TZ, or the system's zone where it is not set, the one of system_offset(). $TZ is POSIX's:
/// the name of a zone file, or a rule such as CET-1CEST,M3.5.0,M10.5.0/3 (hours west of UTC). Error
/// of class config: it is neither. (The C library would take it for UTC.)
Status load_system_zone();

/// Seconds east of UTC at that instant, since the last load_system_zone() of the process.
std::int32_t system_offset(std::int64_t epoch_s);

}  // namespace fl
