// Reads times written by a Joda-Time pattern, as Flume's RegexExtractorInterceptorMillisSerializer
// does. Source: joda-time 2.9.9, DateTimeFormat and DateTimeFormatterBuilder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/event/path_clock.h"

namespace fl {

/// Letters: y Y (year), M (MMM: name), d D (day of month, of year), E (weekday's name), e (its
/// number), a (AM, PM), H K h k (hour), m, s, S (fraction), Z (offset; ZZZ: zone id), '' quotes.
/// Names are English, in full or short. As in Joda: a missing year is 2000 if there is a month or
/// day, 1970 if not; a weekday moves the date within its week; of an hour that a change of the
/// clocks repeats, the first one is meant, and one that it leaves out is an error.
class JodaTime {
 public:
  /// Errors of class config: an invalid letter, or one that we do not read (C, G, w, x, z). `zone`:
  /// as in PathTimeOptions.
  static Result<JodaTime> parse(std::string_view pattern, const std::string& zone);

  /// Milliseconds since 1970; nothing if the whole text is not a time of this pattern. `gap_zone`,
  /// if given, is set where it is one but the clocks of that zone leave it out.
  std::optional<std::int64_t> millis(std::string_view text, std::string* gap_zone = nullptr) const;

 private:
  struct Token {
    char letter = 0;  // 0: literal
    std::size_t count = 0;
    std::string literal;
    bool before_number = false;  // the next token is a number: take no digit of it
  };
  struct Fields;

  explicit JodaTime(PathClock clock) : clock_(clock) {}
  bool read(const Token& token, std::string_view& text, Fields& fields) const;
  bool read_year(const Token& token, std::string_view& text, Fields& fields) const;
  bool read_zone(const Token& token, std::string_view& text, Fields& fields) const;
  std::optional<std::int64_t> resolve(const Fields& fields, std::string* gap_zone) const;

  std::vector<Token> tokens_;
  PathClock clock_;
  std::string zone_name_;
  std::int64_t pivot_year_ = 0;  // two-digit years are at most 50 years before or 49 after it
};

}  // namespace fl
