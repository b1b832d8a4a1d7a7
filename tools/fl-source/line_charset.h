// Text in an encoding other than UTF-8.
#pragma once

#include <iconv.h>

#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// Turns lines into UTF-8. UTF-8 and US-ASCII pass as they are, malformed bytes too: nothing that
/// came in is lost or changed.
class Charset {
 public:
  /// `name` as iconv(3) knows it, or one of Java's spellings (UTF8, ISO8859_1, Cp1252). Class
  /// config for an unknown name, and for an encoding in which a newline is not the byte 10.
  static Result<Charset> open(const std::string& name);

  Charset(Charset&& other) noexcept;
  Charset& operator=(Charset&&) = delete;
  ~Charset();

  /// True: nothing is converted.
  bool passes() const { return converter_ == kNone; }
  /// Appends the line `text`; U+FFFD stands for each byte that the encoding does not have. Returns
  /// how many these were.
  std::size_t append_utf8(std::string& out, std::string_view text);

 private:
  static inline const iconv_t kNone = reinterpret_cast<iconv_t>(-1);
  explicit Charset(iconv_t converter) : converter_(converter) {}

  iconv_t converter_;
};

}  // namespace fl
