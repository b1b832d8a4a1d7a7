// Text in an encoding other than UTF-8.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "common/base/charset.h"
#include "common/base/error.h"

namespace fl {

/// Turns lines into UTF-8. UTF-8 and US-ASCII pass as they are, malformed bytes too: nothing that
/// came in is lost or changed.
class LineCharset {
 public:
  /// `name` as iconv(3) or Java spells it. Class config for an unknown name, and for an encoding in
  /// which a newline is not the byte 10.
  static Result<LineCharset> open(const std::string& name);

  /// True: nothing is converted.
  bool passes() const { return converter_ == nullptr; }
  /// Appends the line `text`; U+FFFD stands for each byte that the encoding does not have. Returns
  /// how many these were.
  std::size_t append_utf8(std::string& out, std::string_view text);

 private:
  explicit LineCharset(Converter converter) : converter_(std::move(converter)) {}

  Converter converter_;
};

}  // namespace fl
