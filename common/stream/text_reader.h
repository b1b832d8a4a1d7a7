// Lines of text as events: one set of rules wherever a stage reads text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/error.h"
#include "common/io/input_buffer.h"
#include "common/stream/block_builder.h"
#include "common/stream/line_form.h"
#include "common/stream/rejected_line.h"

namespace fl {

enum class LongLine { split, truncate, reject };

struct LineRules {
  char delimiter = '\n';
  std::uint32_t max_line = 1 << 20;  ///< bytes of a body
  LongLine long_line = LongLine::split;
  bool strip_cr = false;  ///< drop one \r before the delimiter
};

/// Owns no bytes, only how to treat the rest of a long line: it is a line (usual), a further piece
/// of one (split), or dropped. Between calls the input buffer begins where the next event does.
///
/// Cuts bytes into lines and adds each as an event without headers, or as the event that a LineForm
/// makes of it. The same bytes give the same events however they are cut into reads. The last line
/// may lack its delimiter.
class TextReader {
 public:
  /// `rejected` takes the lines of LongLine::reject.
  explicit TextReader(LineRules rules, RejectedLine rejected = {})
      : rules_(rules), rejected_(std::move(rejected)) {}

  /// Lines are of this form from now on; `form` outlives the reader. `refused` takes those that are
  /// not; without it they are errors of read().
  void set_form(LineForm& form, const EventLimits& limits, RefusedLine refused) {
    form_ = &form;
    limits_ = limits;
    refused_ = std::move(refused);
  }

  /// Moves lines from `in` to `out` until `out` is full or no whole line is left (with `eof`: until
  /// nothing is left). Returns true if `out` has no room for the next line. An error: a line is not
  /// of the form, with its number, or could not be kept; it is skipped.
  Result<bool> read(InputBuffer& in, bool eof, BlockBuilder& out);

  /// Lines longer than max_line so far.
  std::uint64_t long_lines() const { return long_lines_; }
  /// Lines rejected for their length so far that nobody kept (LongLine::reject).
  std::uint64_t rejected() const { return rejected_.lost(); }
  /// Bytes of a rejected line that were read but not kept yet, since its end has not come.
  std::uint64_t pending() const { return rejected_.pending(); }

 private:
  // What happens to the bytes up to the next delimiter.
  enum class Rest { line, piece, drop };

  Status end_drop(bool ends);
  Result<bool> add(std::string_view line, BlockBuilder& out);
  Result<bool> add_formed(std::string_view line, BlockBuilder& out);
  bool drops_whole_line() const { return rules_.long_line == LongLine::reject; }

  const LineRules rules_;
  Rest rest_ = Rest::line;
  std::uint64_t long_lines_ = 0;
  RejectedLine rejected_;
  LineForm* form_ = nullptr;
  EventLimits limits_;
  RefusedLine refused_;
  std::uint64_t ended_ = 0;  // lines, counted where there is a form
};

/// The byte order mark of UTF-8, which belongs to no event where text begins with it.
inline constexpr std::string_view kUtf8Mark = "\xef\xbb\xbf";
/// So many bytes at the start of text are checked.
constexpr std::size_t kCheckedText = 4 << 10;

/// Ok if a first buffer may be text: no compressed data, no byte order mark of UTF-16, and what
/// check_text() allows.
Status check_text_start(std::string_view bytes, char delimiter);
/// Ok if bytes near the start may be text: no NUL and no control characters but \t \n \r \f \e,
/// the three that separate fields in Hive's files (^A ^B ^C), and what ends a line.
Status check_text(std::string_view bytes, char delimiter);
/// It begins with the byte order mark of UTF-16 (or UTF-32).
bool is_utf16(std::string_view bytes);

}  // namespace fl
