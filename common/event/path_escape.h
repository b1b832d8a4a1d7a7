// Flume's escape sequences in paths and names: %{header}, %[host], %Y-%m-%d, rounding, time
// zone, with one promise Flume does not give: a header value stays inside the one path component it
// was put in.
//
// A value is made safe reversibly: '%', '/', ':', NUL, control characters, dots at its start, an
// underscore at the start of a component (readers of Hadoop pass over names that begin with '_' or
// '.') and invalid UTF-8 become %XX (upper-case hex). A component that would be empty becomes "%-",
// "." and ".." become "%2E", "%2E%2E"; one longer than the limit is cut and ends in "%~" and 32 hex
// digits of a hash of the whole, so that it stays distinct. The template's own text is left as it
// is written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/event/path_clock.h"

namespace fl {

/// A path or name with escapes, parsed once.
class PathTemplate {
 public:
  static constexpr std::size_t kMaxComponent = 255;

  /// Errors of class config: a component ".." or NUL in the fixed text, %[x] with x not one of
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
  /// What looks like an escape but is not, as it is written: "%Q", which becomes nothing, and
  /// "%{host", which stays as it is (both as in Flume).
  const std::vector<std::string>& unknown() const { return unknown_; }
  /// The names of the headers it takes, each once.
  std::vector<std::string> headers() const;
  /// Whether the text that the user wrote, escapes aside, holds `c`.
  bool has_in_text(char c) const;
  std::size_t components() const { return fixed_count_ + components_.size(); }

  /// Appends the components after fixed(), joined by '/'. `moment` may be null if !needs_time().
  /// Allocates nothing once `out` is large enough.
  void expand(const Event& event, const PathClock::Moment* moment, std::string& out) const;
  /// All of it, fixed() too, as a value that is not a path: headers as they are, nothing escaped,
  /// cut or filled in.
  void expand_raw(const Event& event, const PathClock::Moment* moment, std::string& out) const;
  /// As expand(), with each %{header} left as it is written, and without a `moment` each escape of
  /// a time: what a user is shown.
  void describe(const PathClock::Moment* moment, std::string& out) const;

 private:
  class Parser;
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
  static void expand_piece(const Piece& piece, const PathClock::Moment* moment,
                           std::string_view colon, std::string& out);

  std::vector<Component> components_;
  std::string fixed_;
  std::vector<std::string> unknown_;
  std::size_t fixed_count_ = 0;
  std::size_t max_component_ = kMaxComponent;
  bool is_absolute_ = false;
  bool has_headers_ = false;
  PathTimeStep time_step_ = PathTimeStep::never;
};

/// Appends `value` as it may appear within one component (see above; not the rules for a whole
/// one). `is_first`: nothing of the component precedes it.
void append_path_safe(std::string& out, std::string_view value, bool is_first);

}  // namespace fl
