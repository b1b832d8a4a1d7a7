// Where the kafka source begins in a partition of which no place is known (--from).
#pragma once

#include <cstdint>
#include <string>

#include "common/base/error.h"

namespace fl {

struct FirstPlace {
  enum class Kind {
    earliest,
    latest,
    time,  ///< the first record that is not older than `value`, milliseconds since 1970
    last,  ///< the last `value` records
    none,  ///< nowhere: it is an error
  };
  Kind kind = Kind::earliest;
  std::int64_t value = 0;

  /// "earliest", "latest", "none", "-100", milliseconds since 1970, or a time (parse_moment).
  /// Errors: class usage.
  static Result<FirstPlace> parse(const std::string& text);

  /// The offset in a partition that holds [low, high); `at_time`: that of the time, -1 if no record
  /// is that recent.
  std::int64_t in(std::int64_t low, std::int64_t high, std::int64_t at_time) const;
};

}  // namespace fl
