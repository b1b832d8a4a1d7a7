// Reads a file line by line and knows at which byte each event ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "common/base/error.h"
#include "common/stream/text_reader.h"
#include "tools/fl-source/spool_text.h"

namespace fl {

/// The same rules as TextReader (common/stream/text_reader.h). Memory: 128 KiB, more only for lines
/// that are longer. Used again and again for one file after the other.
class LineFile {
 public:
  enum class Next {
    event,   ///< body() is one; it stays until accept() is called
    end,     ///< the file has no more
    failed,  ///< the text cannot be read, or a rejected line not kept: error()
  };

  /// `rejected` takes the lines of LongLine::reject.
  explicit LineFile(LineRules rules, RejectedLine rejected = {})
      : rules_(rules), rejected_(std::move(rejected)) {}

  /// Reads from byte `offset` of the text, which is the start of an event. Any earlier file is
  /// left. A byte order mark of UTF-8 at the start of the text belongs to no event.
  Status start(SpoolText text, std::uint64_t offset);
  /// Goes on at `offset`, the start of an event at or after offset(). Only between accept() and
  /// peek().
  Status skip_to(std::uint64_t offset);
  int fd() const { return text_ ? text_->fd() : -1; }
  bool started() const { return text_.has_value(); }
  void stop() { text_.reset(); }
  /// Nothing of the text was taken yet.
  bool at_start() const { return offset_ == (has_mark_ ? kMarkBytes : 0); }
  /// The text began with a byte order mark.
  bool has_mark() const { return has_mark_; }
  /// Bytes that are not in the encoding of the text, so far.
  std::uint64_t malformed() const { return text_ ? text_->malformed() : 0; }

  /// Looks at the next event. Asking again without accept() gives the same one.
  Next peek();
  std::string_view body() const { return body_; }
  /// The event was taken: offset() moves past it.
  void accept();
  /// Where the event after the last accepted one begins. Of a truncated line, or of rejected ones,
  /// nothing is left before it.
  std::uint64_t offset() const { return offset_; }
  const Error& error() const { return error_; }
  /// error() is that a rejected line could not be kept; the file may be sound.
  bool reject_failed() const { return reject_failed_; }

  std::uint64_t long_lines() const { return long_lines_; }
  /// Lines rejected for their length that nobody kept.
  std::uint64_t rejected() const { return rejected_.lost(); }

 private:
  bool fill();
  bool drop_rest_of_line();
  void consume(std::size_t bytes);
  std::string_view unread() const {
    return {reinterpret_cast<const char*>(buffer_.get()) + begin_, end_ - begin_};
  }

  static constexpr std::uint64_t kMarkBytes = 3;

  const LineRules rules_;
  std::optional<SpoolText> text_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t searched_ = 0;  // bytes after begin_ that hold no delimiter
  bool eof_ = false;
  bool peeked_ = false;
  bool in_line_ = false;  // the last piece of this line was accepted, its rest follows
  bool drop_ = false;     // the bytes up to the next delimiter are dropped
  std::string_view body_;
  std::size_t taken_ = 0;  // bytes that accept() consumes
  bool drop_after_ = false;
  bool piece_ = false;
  bool has_mark_ = false;
  std::uint64_t offset_ = 0;
  Error error_;
  std::uint64_t long_lines_ = 0;
  RejectedLine rejected_;
  bool reject_failed_ = false;
};

}  // namespace fl
