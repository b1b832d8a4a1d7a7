// Text in another encoding than UTF-8, by iconv(3).
#pragma once

#include <string>
#include <string_view>

#include "common/base/charset.h"
#include "common/base/error.h"

namespace fl {

class BodyCharset {
 public:
  /// Errors (class config): a name that the system does not know; UTF-16 and UTF-32 without their
  /// byte order, which each reader and writer chooses for itself.
  Status open(const std::string& name);
  /// True for UTF-8 and US-ASCII: nothing is to be converted.
  bool is_utf8() const { return to_utf8_ == nullptr; }
  /// `bytes` as UTF-8. An error of class input: they are not text in this charset.
  Status decode(std::string_view bytes, std::string& text);
  /// The way back. An error of class config: the charset lacks one of the characters.
  Status encode(std::string_view text, std::string& bytes);

 private:
  static bool convert(iconv_t converter, std::string_view in, std::string& out);

  std::string name_;
  Converter to_utf8_;
  Converter from_utf8_;
};

}  // namespace fl
