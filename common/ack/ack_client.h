// The reader's end of the side connection: we acknowledge, the writer reports (fl-ack(7)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ack/event_number.h"
#include "common/ack/failure.h"
#include "common/ack/line_socket.h"
#include "common/ack/position.h"

namespace fl {

/// Owns the connection to a writer and what it has sent so far. Open or closed: a lost connection
/// and an illegal line both close it, forever. Between calls want() never falls; failure() is the
/// first that came. What it sends may wait in the socket (has_unsent()), and no call blocks.
class AckClient {
 public:
  AckClient() = default;
  /// `fd`: from connect_to_writer(). Says hello.
  AckClient(UniqueFd fd, std::string_view stream_id);

  bool is_open() const { return socket_.is_open(); }
  int fd() const { return socket_.fd(); }
  short events() const { return socket_.events(); }
  /// After poll: reads and sends. Closes when the connection is lost.
  void handle();

  void at(std::string_view guarantee) { socket_.send("at", guarantee); }
  void ack(std::uint64_t n) { socket_.send("ack", n); }
  void enough() { socket_.send("enough"); }
  /// We keep positions, and have these; call it before at().
  void resume(const std::vector<Position>& kept);
  bool has_unsent() const { return socket_.is_open() && socket_.has_unsent(); }
  void close() { socket_.close(); }

  std::uint64_t want() const { return want_; }
  const std::optional<std::uint64_t>& end() const { return end_; }
  /// No event comes after these; `end` follows when they are safe.
  const std::optional<std::uint64_t>& last() const { return last_; }
  /// The writer ends with a status other than 0; sent instead of `end`.
  const std::optional<Failure>& failure() const { return failure_; }
  /// Another reader acknowledges this stream.
  bool busy() const { return busy_; }
  /// The next position that the first `read` events of the stream reach.
  std::optional<PositionQueue::Entry> take_position(std::uint64_t read) {
    return positions_.take(read);
  }
  /// There is one.
  bool has_position(std::uint64_t read) const { return positions_.reached(read); }
  /// The numbers that the writer has sent so far.
  NumberMap& numbers() { return numbers_; }

 private:
  LineSocket socket_;
  std::uint64_t want_ = 0;
  std::optional<std::uint64_t> end_;
  std::optional<std::uint64_t> last_;
  std::optional<Failure> failure_;
  bool busy_ = false;
  bool asked_ = false;  // for positions
  PositionQueue positions_;
  NumberMap numbers_;
};

}  // namespace fl
