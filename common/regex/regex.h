// Regular expressions by PCRE2, with the meaning that Java gives them where both have it.
//
// As in Java: `.` does not match a line end; `$` also matches before a final line end; \d, \w and
// \s are ASCII. Text is UTF-8; a malformed piece counts as the character U+FFFD. Java's own
// spellings are read (java_pattern.h); where PCRE2 would read another meaning, the pattern is
// refused.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/regex/java_text.h"

namespace fl {

class Regex {
 public:
  enum class Mode {
    find,    ///< somewhere in the text
    full,    ///< the whole text
    groups,  ///< somewhere, and what the groups matched is wanted
  };
  enum class Match { no, yes, failed };
  /// Offsets in the text.
  struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// An error (class usage) shows the pattern and the place.
  static Result<Regex> compile(std::string_view pattern, Mode mode);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  /// Allocates nothing for valid UTF-8. `failed`: the search exceeded its limit of steps; error()
  /// says so.
  Match match(std::string_view text);

  /// Mode groups: the matches in `text` one after the other, as Java's Matcher.find() gives them.
  /// The text stays where it is until the last next(). `failed` ends them; so does a text that
  /// takes longer than 10 s in all.
  void start(std::string_view text);
  Match next();
  /// Where group i (0: the whole match) of the last next() is; nothing if it took no part.
  std::optional<Span> group(std::size_t i) const;
  /// How many groups the pattern has, group 0 not counted.
  std::size_t groups() const;
  /// The number of a named group.
  std::optional<std::size_t> group_number(const std::string& name) const;

  /// Class input, after `failed`.
  Error error() const;

 private:
  struct Program;
  Regex();
  const Program* program_for(std::string_view& text);

  std::string pattern_;
  // Most patterns mean the same on bytes as on characters, and bytes are faster. Where they do not,
  // `characters_` is used for texts that are not ASCII.
  std::unique_ptr<Program> bytes_;
  std::unique_ptr<Program> characters_;
  int failure_ = 0;

  JavaText decoded_;
  bool is_decoded_ = false;
  const Program* running_ = nullptr;
  std::string_view text_;
  std::size_t from_ = 0;  // npos: no more
  std::uint32_t searches_ = 0;
  std::int64_t deadline_ms_ = 0;
};

}  // namespace fl
