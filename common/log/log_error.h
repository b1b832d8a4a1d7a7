// Errors and notices of the log, in one form.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/base/error.h"
#include "common/log/log_files.h"

namespace fl {

/// "cannot write '/var/lib/fl/app/head': No space left on device"; `result`: -errno.
Error log_error(const LogFiles& files, const char* action, const std::string& name,
                std::int64_t result);
/// ENOSPC, EDQUOT: not a fault of the log, and temporary.
bool is_full(std::int64_t result);

/// What a person should know and no call returns.
struct LogNotice {
  enum class Kind {
    torn_tail,  ///< what a crash cut off at the end; it was never reported as safe
    damage,     ///< a record or a segment cannot be read
    missing,    ///< events that are gone, and their numbers stay: `first` and `count`
    state,      ///< head or a cursor was damaged, and what was done instead
  };
  Kind kind = Kind::state;
  std::uint64_t first = 0;  ///< sequence
  std::uint64_t count = 0;
  std::string text;  ///< for people, with the numbers
};
using LogNotify = std::function<void(const LogNotice&)>;

/// Logs it as a warning.
void log_notice(const LogNotice& notice);

}  // namespace fl
