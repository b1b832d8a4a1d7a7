// Regular expressions by PCRE2, with the meaning that Java gives them where both have it.
//
// As in Java: `.` does not match \n or \r; `$` also matches before a final line end. Text is UTF-8;
// bytes that are not are matched by nothing but negation in pieces that need characters, and end no
// search. What PCRE2 lacks or reads otherwise (class intersection with &&) is refused.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

class Regex {
 public:
  enum class Mode {
    find,  ///< somewhere in the text
    full,  ///< the whole text
  };
  enum class Match { no, yes, failed };

  /// An error (class usage) shows the pattern and the place.
  static Result<Regex> compile(std::string_view pattern, Mode mode);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  /// Allocates nothing. `failed`: the search went over its limit of steps; error() says so.
  Match match(std::string_view text);
  /// Class input, after `failed`.
  Error error() const;

 private:
  struct Program;
  Regex();

  std::string pattern_;
  // Most patterns mean the same on bytes as on characters, and bytes are faster. Where they do not,
  // `characters_` is used for texts that are not ASCII.
  std::unique_ptr<Program> bytes_;
  std::unique_ptr<Program> characters_;
  int failure_ = 0;
};

}  // namespace fl
