// Flume's escape sequences in paths and names: %{header}, %[host], %Y-%m-%d, rounding, time zone
// (flume/sinks.md "Escape sequences"), with one promise Flume does not give: a header value stays
// inside the one path component it was put in.
//
// A value is made safe reversibly: '%', '/', ':', NUL, control characters, dots at its start, an
// underscore at the start of a component (readers of Hadoop pass over names that begin with '_' or
// '.') and invalid UTF-8 become %XX (upper-case hex). A component that would be empty becomes "%-",
// "." and ".." become "%2E", "%2E%2E"; one longer than the limit is cut and ends in "%~" and 32 hex
// digits of a hash of the whole, so that it stays distinct. What stands in the template itself is
// left as it is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/event/event.h"

namespace date {
class time_zone;
}

namespace fl {

struct PathTimeOptions {
  std::string time_zone =
      {};  ///< Java's or tzdata's zone id, "GMT+05:30"; empty: $TZ, the system's
  bool round = false;
  std::uint64_t round_value = 1;
  std::string round_unit = "second";  ///< second, minute, hour
};

/// The steps in which a text made from a time can change.
enum class PathTimeStep { never, day, hour, minute, second, millisecond };

/// Turns milliseconds into the local, rounded fields that templates print.
class PathClock {
 public:
  /// Errors of class config: an unknown zone, a rounding that is none.
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
  struct Offset {
    std::int32_t seconds = 0;
    std::int64_t from_s = INT64_MIN;
    std::int64_t until_s = INT64_MAX;
  };
  Offset offset_at(std::int64_t epoch_s) const;

  const date::time_zone* zone_ = nullptr;  // null: fixed_offset_s_
  std::int32_t fixed_offset_s_ = 0;
  std::int64_t round_s_ = 0;   // 0: no rounding
  std::int64_t within_s_ = 1;  // rounded within this larger unit
  PathTimeStep round_step_ = PathTimeStep::millisecond;
};

/// A path or name with escapes, parsed once.
class PathTemplate {
 public:
  static constexpr std::size_t kMaxComponent = 255;

  /// Errors of class config: a component ".." or NUL in the fixed text, %[x] that is none of
  /// localhost, IP, FQDN; fixed text of one component that is too long.
  static Result<PathTemplate> parse(std::string_view text,
                                    std::size_t max_component = kMaxComponent);

  bool is_absolute() const { return is_absolute_; }
  /// The components before the first one with an escape, joined by '/', with a leading '/' if the
  /// template has one. The user chose this part.
  const std::string& fixed() const { return fixed_; }
  /// True when nothing follows fixed().
  bool is_constant() const { return components_.empty(); }
  bool has_headers() const { return has_headers_; }
  PathTimeStep time_step() const { return time_step_; }
  bool needs_time() const { return time_step_ != PathTimeStep::never; }
  /// The letters that no escape has: "Q" for "%Q", which is the empty string.
  const std::string& unknown() const { return unknown_; }
  std::size_t components() const { return fixed_count_ + components_.size(); }

  /// Appends the components after fixed(), joined by '/'. `moment` may be null if !needs_time().
  /// Allocates nothing once `out` is large enough.
  void expand(const Event& event, const PathClock::Moment* moment, std::string& out) const;
  /// The same with each %{header} left as it is written: what a user is shown.
  void describe(const PathClock::Moment* moment, std::string& out) const;

 private:
  struct Piece {
    enum class Kind { text, header, time };
    Kind kind = Kind::text;
    std::string text;  // text, header name
    char letter = 0;   // time
  };
  struct Component {
    std::vector<Piece> pieces;
    bool has_escape = false;
  };
  void expand(const Event* event, const PathClock::Moment* moment, std::string& out) const;

  std::vector<Component> components_;
  std::string fixed_;
  std::string unknown_;
  std::size_t fixed_count_ = 0;
  std::size_t max_component_ = kMaxComponent;
  bool is_absolute_ = false;
  bool has_headers_ = false;
  PathTimeStep time_step_ = PathTimeStep::never;
};

/// Appends `value` as it may stand within one component (see above; not the rules for a whole one).
/// `is_first`: nothing of the component stands before it.
void append_path_safe(std::string& out, std::string_view value, bool is_first);

/// Milliseconds from a `timestamp` header: decimal digits with an optional sign.
std::optional<std::int64_t> parse_timestamp(std::string_view text);

}  // namespace fl
