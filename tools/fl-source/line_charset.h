// Text in an encoding other than UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/charset.h"
#include "common/base/error.h"

namespace fl {

/// How an encoding holds the characters of ASCII: the byte itself, or in a unit of 2 or 4 bytes.
struct CodeUnit {
  std::size_t bytes = 1;
  bool is_little = false;  ///< the byte comes first in its unit

  bool operator==(const CodeUnit&) const = default;
};

/// Turns lines into UTF-8. UTF-8 and US-ASCII pass as they are, malformed bytes too: nothing that
/// came in is lost or changed.
class LineCharset {
 public:
  /// `name` as iconv(3) or Java spells it. Class config for an unknown name, and for an encoding in
  /// which a newline is not the character 10 (EBCDIC).
  static Result<LineCharset> open(const std::string& name);

  /// True: nothing is converted.
  bool passes() const { return big_ == nullptr; }
  /// The unit of the encoding; of UTF-16 and UTF-32 the one that holds without a byte order mark:
  /// big-endian, as in Java.
  CodeUnit unit() const { return unit_; }
  /// True for UTF-16 and UTF-32, in which a mark at the beginning tells the order of bytes.
  bool has_mark() const { return little_ != nullptr; }

  /// Appends the line `text`, which is in units of `unit`; U+FFFD stands for each unit that the
  /// encoding does not have. Returns how many bytes these were.
  std::size_t append_utf8(std::string& out, std::string_view text, CodeUnit unit);
  std::size_t append_utf8(std::string& out, std::string_view text) {
    return append_utf8(out, text, unit_);
  }

 private:
  LineCharset() = default;

  CodeUnit unit_;
  Converter big_;  // or the only one; null: passes
  Converter little_;
};

}  // namespace fl
