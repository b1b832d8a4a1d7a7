// Bytes that are not UTF-8 as Java sees them, without losing their offsets.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

/// A text in which each malformed piece is U+FFFD, as Java's new String(bytes, UTF_8) does it, and
/// the way back from its offsets to those of the bytes.
class JavaText {
 public:
  void assign(std::string_view bytes);
  /// Valid UTF-8.
  std::string_view text() const { return text_; }
  /// Where the character that begins at offset `at` of text() begins in the bytes.
  std::size_t original(std::size_t at) const;

 private:
  struct Mark {
    std::size_t text;   // after a U+FFFD
    std::size_t bytes;  // after what it stands for
  };
  std::string text_;
  std::vector<Mark> marks_;
};

}  // namespace fl
