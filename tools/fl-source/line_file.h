// Reads a file line by line and knows at which byte each event ends.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/unique_fd.h"
#include "common/stream/text_reader.h"

namespace fl {

/// The same rules as TextReader (common/stream/text_reader.h). Memory: 128 KiB, more only for lines
/// that are longer. Used again and again for one file after the other.
class LineFile {
 public:
  enum class Next {
    event,   ///< body() is one; it stays until accept() is called
    end,     ///< the file has no more
    failed,  ///< the system refused: error_number()
  };

  explicit LineFile(LineRules rules) : rules_(rules) {}

  /// Reads from `offset`, which is the start of an event. Any earlier file is left.
  void start(UniqueFd fd, std::uint64_t offset);
  int fd() const { return fd_.get(); }
  void stop() { fd_.reset(); }

  /// Looks at the next event. Asking again without accept() gives the same one.
  Next peek();
  std::string_view body() const { return body_; }
  /// The event was taken: offset() moves behind it.
  void accept();
  /// Where the event after the last accepted one begins. Of a truncated line, or of rejected ones,
  /// nothing is left before it.
  std::uint64_t offset() const { return offset_; }
  int error_number() const { return error_; }

  std::uint64_t long_lines() const { return long_lines_; }
  std::uint64_t rejected() const { return rejected_; }

 private:
  bool fill();
  bool drop_rest_of_line();
  void consume(std::size_t bytes);
  std::string_view unread() const {
    return {reinterpret_cast<const char*>(buffer_.get()) + begin_, end_ - begin_};
  }

  const LineRules rules_;
  UniqueFd fd_;
  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t searched_ = 0;  // bytes behind begin_ that hold no delimiter
  bool eof_ = false;
  bool peeked_ = false;
  bool in_line_ = false;  // the last piece of this line was accepted, its rest follows
  bool drop_ = false;     // the bytes up to the next delimiter are nobody's
  std::string_view body_;
  std::size_t taken_ = 0;  // bytes that accept() consumes
  bool drop_after_ = false;
  bool piece_ = false;
  std::uint64_t offset_ = 0;
  int error_ = 0;
  std::uint64_t long_lines_ = 0;
  std::uint64_t rejected_ = 0;
};

}  // namespace fl
