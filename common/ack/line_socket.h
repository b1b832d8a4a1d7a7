// One end of a side connection: short lines over a Unix socket, never blocking (fl-ack(7)).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/unique_fd.h"

namespace fl {

/// Owns one connected socket, the beginning of a line that was received, and what waits to be sent.
/// Open or closed. Between calls in_ holds no newline and at most kMaxLine bytes; out_ is what
/// the peer may have in part, so it is never replaced.
///
/// Sending never blocks: what the socket does not take now waits here. Of `ack`, `want` and `at`
/// only the newest waits; of lines that are sent in order all do, up to kMostWaiting bytes. So
/// memory is bounded whatever the peer does.
class LineSocket {
 public:
  static constexpr std::size_t kMaxLine = 512;
  /// Lines that hold a position (position.h) are longer.
  static constexpr std::size_t kMaxPositionLine = 4096 + 64;
  static constexpr std::size_t kMostWaiting = 256 << 10;

  LineSocket() = default;
  explicit LineSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  bool is_open() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  /// Events to poll for.
  short events() const;

  /// Sends "ack N" and so on. A line of the same first word that still waits is replaced.
  void send(std::string_view word, std::string_view rest = {});
  void send(std::string_view word, std::uint64_t number);
  /// Sends a line that neither replaces nor overtakes others of its first word. If too many bytes
  /// wait, they are dropped in its favour: a peer that does not read makes nobody wait.
  void send_in_order(std::string_view word, std::string_view rest = {});
  /// The same, and it is never dropped. Only for a word whose waiting lines the sender bounds.
  void send_surely(std::string_view word, std::string_view rest) {
    if (fd_) {
      append(word, rest);
    }
  }
  /// Sends what waits. Returns false when the connection is lost.
  bool flush();
  bool has_unsent() const { return !out_.empty() || !waiting_.empty(); }
  /// Reads what is there and calls `on_line` for each whole line (without its newline). Returns
  /// false when the connection is lost or the peer sent a line that is too long.
  bool receive(const std::function<void(std::string_view)>& on_line);
  void close() { fd_.reset(); }

 private:
  void drop_waiting(std::string_view word);
  void append(std::string_view word, std::string_view rest);

  UniqueFd fd_;
  std::string in_;
  std::string out_;  // a line that is partly sent
  std::string waiting_;
};

/// "ack 12" -> word "ack", rest "12".
void split_line(std::string_view line, std::string_view& word, std::string_view& rest);

}  // namespace fl
