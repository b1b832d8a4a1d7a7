// One client of the netcat source: its bytes cut into lines, and the replies it is owed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"

namespace fl {

/// The longest line, counted as Flume counts it.
struct LineLimit {
  std::uint64_t units = 512;           ///< UTF-16 units, the newline included
  std::uint64_t body_bytes = 1 << 20;  ///< what an event may hold
  bool counts_bytes = false;           ///< while a line is not converted yet: bytes, roughly

  /// UTF-16 units of `text` as UTF-8; a stray byte counts at most one.
  static std::uint64_t units_of(std::string_view text);
};

/// The memory of a connection is at most one line (three bytes for each unit of the limit) and one
/// read; an idle one holds none. Replies are counted, not stored: a client that never reads them
/// costs nothing.
class NetcatConnection {
 public:
  enum class Line {
    none,      ///< no whole line is here
    whole,     ///< line() is one
    too_long,  ///< nothing more of this client can be understood
  };

  NetcatConnection(UniqueFd fd, std::uint64_t id, const LineLimit& limit);

  int fd() const { return fd_.get(); }
  std::uint64_t id() const { return id_; }

  /// One read(2). False: the client has sent its last byte, or the connection is broken (lost()).
  bool read();
  /// Looks for the next line. At the client's orderly end the rest without a newline is one, too.
  Line next();
  /// Valid until take().
  std::string_view line() const { return {buffer_.data() + start_, line_size_}; }
  void take();

  bool at_end() const { return at_end_; }
  bool lost() const { return lost_; }
  /// Bytes of whole lines that came in and were not taken.
  std::size_t left() const;
  /// Bytes behind the last line that was taken.
  std::size_t rest() const { return buffer_.size() - start_; }

  /// Owes the client n more replies "OK".
  void owe(std::uint64_t n) { owed_ += n; }
  /// A last word behind the replies; then nothing more is read and the connection ends.
  void refuse(std::string text);
  /// Writes what goes. False: the connection is broken.
  bool write();
  bool has_unsent() const {
    return owed_ > 0 || !text_.empty() || (!last_word_.empty() && unanswered == 0);
  }
  /// The client has got all that it will get.
  bool is_answered() const { return unanswered == 0 && !has_unsent(); }

  /// Events handed on that are not answered yet.
  std::uint64_t unanswered = 0;
  /// Since when the client has to take its last replies, or to stop sending; -1: it need not.
  std::int64_t closing_ms = -1;
  /// True after refuse(): what still comes is thrown away.
  bool refused() const { return refused_; }
  /// Says that nothing more is sent; once.
  void finish_sending();

 private:
  void clear();

  UniqueFd fd_;
  const std::uint64_t id_;
  const LineLimit& limit_;

  std::string buffer_;
  std::size_t start_ = 0;     // of the line that is looked for
  std::size_t searched_ = 0;  // bytes behind start_ that hold no newline
  std::uint64_t units_ = 0;   // of these
  std::size_t line_size_ = 0;
  std::size_t line_end_ = 0;  // behind the newline, from start_
  bool at_end_ = false;
  bool lost_ = false;
  bool refused_ = false;
  bool is_finished_ = false;

  std::uint64_t owed_ = 0;
  std::string text_;  // partly written replies, and the last word
  std::string last_word_;
};

}  // namespace fl
