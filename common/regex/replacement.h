// The replacement for a match, in Java's spelling (java.util.regex.Matcher.appendReplacement).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/regex/regex.h"

namespace fl {

/// $1, ${name}: a group, nothing if it took no part in the match. \x: x itself. Of $12 as many
/// digits count as make the number of a group.
class Replacement {
 public:
  /// Errors (class usage): a group that `regex` does not have, $ or \ without what must follow.
  static Result<Replacement> parse(std::string_view text, const Regex& regex);

  /// Appends what replaces the last match of `regex` in `text`.
  void append(std::string& out, const Regex& regex, std::string_view text) const;

 private:
  struct Piece {
    std::string text;
    std::optional<std::size_t> group;  // else the text
  };
  std::vector<Piece> pieces_;
};

}  // namespace fl
