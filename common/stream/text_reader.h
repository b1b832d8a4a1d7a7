// Lines of text as events: one set of rules wherever a stage reads text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/io/input_buffer.h"
#include "common/stream/block_builder.h"

namespace fl {

enum class LongLine { split, truncate, reject };

struct LineRules {
  char delimiter = '\n';
  std::uint32_t max_line = 1 << 20;  ///< bytes of a body
  LongLine long_line = LongLine::split;
  bool strip_cr = false;  ///< drop one \r before the delimiter
};

/// Cuts bytes into lines and adds each as an event without headers. The same bytes give the same
/// events however they are cut into reads. The last line may lack its delimiter.
class TextReader {
 public:
  explicit TextReader(LineRules rules) : rules_(rules) {}

  /// Moves lines from `in` to `out` until `out` is full or no whole line is left (with `eof`: until
  /// nothing is left). Returns true if `out` has no room for the next line.
  bool read(InputBuffer& in, bool eof, BlockBuilder& out);

  /// Lines longer than max_line so far.
  std::uint64_t long_lines() const { return long_lines_; }
  /// Lines rejected for their length so far (LongLine::reject).
  std::uint64_t rejected() const { return rejected_; }

 private:
  // What happens to the bytes up to the next delimiter.
  enum class Rest { line, piece, drop };

  const LineRules rules_;
  Rest rest_ = Rest::line;
  std::uint64_t long_lines_ = 0;
  std::uint64_t rejected_ = 0;
};

/// Ok if a first buffer may be text: no NUL and no control characters but \t \n \r \f \e, and what
/// ends a line.
Status check_text_start(std::string_view bytes, char delimiter);

}  // namespace fl
