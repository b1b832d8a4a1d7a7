// The times that paths are made from: a zone, and rounding as Flume's hdfs sink does it
// (hdfs.round, hdfs.roundValue, hdfs.roundUnit).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace date {
class time_zone;
}

namespace fl {

struct PathTimeOptions {
  std::string time_zone =
      {};  ///< Java's or tzdata's zone id, "GMT+05:30"; empty: see load_system_zone()
  bool round = false;
  std::uint64_t round_value = 1;
  std::string round_unit = "second";  ///< second, minute, hour
};

/// The steps in which a text made from a time can change.
enum class PathTimeStep { never, day, hour, minute, second, millisecond };

/// Turns milliseconds into the local, rounded fields that templates print.
class PathClock {
 public:
  /// Errors of class config: an unknown zone, an invalid rounding.
  static Result<PathClock> make(const PathTimeOptions& options);

  struct Moment {
    std::int64_t ms = 0;        ///< as given, not rounded
    std::int64_t epoch_s = 0;   ///< rounded
    std::int64_t local_s = 0;   ///< rounded, seconds since 1970-01-01T00:00 local time
    std::int32_t offset_s = 0;  ///< east of UTC
  };
  /// Error of class input: out of range; not positive although rounding is on.
  Result<Moment> at(std::int64_t ms) const;

  struct Span {
    std::int64_t from_ms = 0;
    std::int64_t until_ms = 0;  ///< not included
  };
  /// A span around `ms` (for which at() succeeded) in which a text that changes in `step` stays the
  /// same, and at() succeeds.
  Span span(std::int64_t ms, PathTimeStep step) const;

 private:
  static Result<PathClock> in_zone(const std::string& id);
  std::int32_t offset_at(std::int64_t epoch_s) const;
  // The part of [from, until) around `epoch_s` in which offset_at() stays the same.
  Span same_offset(std::int64_t epoch_s, std::int64_t from, std::int64_t until) const;

  const date::time_zone* zone_ = nullptr;  // null: the system's zone, or else fixed_offset_s_
  bool is_system_zone_ = false;
  std::int32_t fixed_offset_s_ = 0;
  std::int64_t round_s_ = 0;   // 0: no rounding
  std::int64_t within_s_ = 1;  // rounded within this larger unit
  PathTimeStep round_step_ = PathTimeStep::millisecond;
};

/// Milliseconds from a `timestamp` header: decimal digits with an optional sign.
std::optional<std::int64_t> parse_timestamp(std::string_view text);

}  // namespace fl
