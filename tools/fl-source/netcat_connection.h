// One client of the netcat source: its bytes cut into lines, and the answers it is owed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "common/net/byte_stream.h"
#include "tools/fl-source/line_charset.h"

namespace fl {

/// The longest line, counted as Flume counts it.
struct LineLimit {
  std::uint64_t units = 512;           ///< UTF-16 units, the newline included
  std::uint64_t body_bytes = 1 << 20;  ///< what an event may hold

  /// UTF-16 units of `text` as UTF-8; a stray byte counts at most one.
  static std::uint64_t units_of(std::string_view text);
};

/// What the bytes of all clients are.
struct LineFormat {
  LineLimit limit;
  /// False: lines are not UTF-8. Their units are known when they are converted; until then only
  /// their bytes are limited, generously.
  bool is_utf8 = true;
  CodeUnit unit = {};     ///< before a mark has been seen
  bool has_mark = false;  ///< a byte order mark at the beginning may say otherwise
};

/// Reads and writes a connection that it does not own. Its memory is at most one line (eight bytes
/// for each unit of the limit) and one read; an idle one holds none. Answers are counted, not
/// stored: a client that never reads them costs nothing.
///
/// The two directions end independently. A client that cannot be answered any more, because it has
/// closed without reading, is still read to the end of what it sent; the answers are dropped and
/// counted.
class NetcatConnection {
 public:
  enum class Line {
    none,      ///< no whole line is here
    whole,     ///< line() is one
    too_long,  ///< nothing more of this client can be understood
  };

  NetcatConnection(ByteStream stream, std::string name, const LineFormat& format);

  /// Where the client is, for messages.
  const std::string& name() const { return name_; }

  /// One read. False: the client has sent its last byte, or the connection is broken (lost()).
  bool read();
  /// Looks for the next line. At the client's orderly end the rest without a newline is one, too.
  Line next();
  /// Valid until take().
  std::string_view line() const { return {buffer_.data() + start_, line_size_}; }
  /// The unit in which line() is encoded.
  CodeUnit unit() const { return unit_; }
  void take();

  bool at_end() const { return at_end_; }
  /// The client has reset the connection: what it sent last may never have arrived.
  bool lost() const { return lost_; }
  /// Bytes of whole lines that came in and were not taken.
  std::size_t left() const;
  /// Bytes after the last line that was taken.
  std::size_t rest() const { return buffer_.size() - start_; }

  /// Owes the client n more answers "OK".
  void owe(std::uint64_t n);
  /// A last answer after the others; then nothing more is read and the connection ends.
  void refuse(std::string text);
  /// Writes what can be written now.
  void write();
  bool has_unsent() const {
    return owed_ > 0 || !text_.empty() || (!last_word_.empty() && unanswered == 0);
  }
  /// The client has got all the answers that it will get.
  bool is_answered() const { return unanswered == 0 && !has_unsent(); }
  /// Drops what has not been sent, and all answers to come.
  void stop_answering();
  /// True: no answer reaches it any more.
  bool is_deaf() const { return is_deaf_; }
  /// Answers that were dropped.
  std::uint64_t dropped() const { return dropped_; }

  /// Events handed on that are not answered yet.
  std::uint64_t unanswered = 0;
  /// The header map of its events; empty: none.
  std::string map;
  /// It has lines for which there was no room.
  bool is_waiting = false;
  /// It has sent a whole line since its time to be idle began.
  bool is_active = false;
  /// True after refuse(): what still comes is thrown away.
  bool refused() const { return refused_; }
  /// Tells the client that nothing more is sent; once.
  void finish_sending();

 private:
  void see_mark();
  std::size_t find_newline(std::string_view text, std::size_t from) const;
  std::string encoded(std::string_view ascii);
  void clear();

  const ByteStream stream_;
  const std::string name_;
  const LineFormat& format_;
  CodeUnit unit_;
  bool is_mark_due_;  // the first unit may be a byte order mark

  std::string buffer_;
  std::size_t start_ = 0;     // of the line that is looked for
  std::size_t searched_ = 0;  // bytes after start_ that hold no newline
  std::uint64_t units_ = 0;   // of these
  std::size_t line_size_ = 0;
  std::size_t line_end_ = 0;  // after the newline, from start_
  bool at_end_ = false;
  bool lost_ = false;
  bool is_reset_ = false;  // seen when writing
  bool refused_ = false;
  bool is_finished_ = false;
  bool is_deaf_ = false;

  std::uint64_t owed_ = 0;
  std::string text_;                // partly written answers, and the last one
  std::uint64_t text_answers_ = 0;  // in text_ when it was whole
  std::size_t text_bytes_ = 0;
  bool is_mark_sent_ = false;
  std::string last_word_;
  std::uint64_t dropped_ = 0;
};

}  // namespace fl
