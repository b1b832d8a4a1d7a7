#include "common/regex/java_text.h"

#include <algorithm>
#include <cstdint>

#include "common/base/text.h"

namespace fl {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// How many bytes of malformed `text` one U+FFFD stands for: the longest beginning of a character,
/// and a surrogate as a whole (JDK 17, java.lang.String.decodeUTF8_UTF16).
std::size_t malformed_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const std::uint8_t first = byte(0);
  if (first < 0xE0 || first > 0xF4 || !continues(1)) {
    return 1;
  }
  if (first < 0xF0) {
    if (first == 0xE0 && byte(1) < 0xA0) {
      return 1;
    }
    return continues(2) ? 3 : 2;
  }
  if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) {
    return 1;
  }
  return continues(2) ? 3 : 2;
}

}  // namespace

void JavaText::assign(std::string_view bytes) {
  text_.clear();
  marks_.clear();
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (const std::size_t length = utf8_length(bytes.substr(at)); length != 0) {
      text_ += bytes.substr(at, length);
      at += length;
      continue;
    }
    text_ += kReplacement;
    at += malformed_length(bytes.substr(at));
    marks_.push_back({text_.size(), at});
  }
}

std::size_t JavaText::original(std::size_t at) const {
  const auto behind =
      std::upper_bound(marks_.begin(), marks_.end(), at,
                       [](std::size_t a, const Mark& mark) { return a < mark.text; });
  if (behind == marks_.begin()) {
    return at;
  }
  const Mark& mark = *(behind - 1);
  return mark.bytes + (at - mark.text);
}

}  // namespace fl
