// Output for a reader that is not a stage: text on stdout, written as fast as the reader takes it
// and never waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/io/write_end.h"

namespace fl {

/// Collects items (an event's text) and writes what goes without blocking. Counts the items whose
/// last byte was written.
class OutStream {
 public:
  explicit OutStream(UniqueFd fd) : end_(std::move(fd)) {}

  WriteEnd::Kind kind() const { return end_.kind(); }

  /// Append an item's bytes here, then call end_item().
  std::string& text() { return text_; }
  void end_item() { ends_.push_back(text_.size()); }

  /// Writes what the reader takes now. A reader that has closed is not an error: reader_closed() is
  /// true then and what was left is dropped, uncounted.
  Status flush();
  /// True: nothing is left to write.
  bool idle() const { return written_ == text_.size(); }
  std::uint64_t items_written() const { return items_; }
  bool reader_closed() const { return closed_; }

  /// For poll(2): POLLOUT while something is left, else only a reader that closes is watched.
  int wake_fd() const { return end_.fd(); }
  short wake_events() const;

 private:
  WriteEnd end_;
  std::string text_;
  std::size_t written_ = 0;        // bytes of text_
  std::vector<std::size_t> ends_;  // of the items in text_
  std::size_t next_item_ = 0;      // in ends_
  std::uint64_t items_ = 0;
  bool closed_ = false;
};

}  // namespace fl
