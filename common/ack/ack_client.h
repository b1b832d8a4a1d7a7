// The reader's end of the side connection: we acknowledge, the writer tells (fl-ack(7)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/ack/line_socket.h"

namespace fl {

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

  void at(std::string_view rule) { socket_.send("at", rule); }
  void ack(std::uint64_t n) { socket_.send("ack", n); }
  void enough() { socket_.send("enough"); }
  bool has_unsent() const { return socket_.is_open() && socket_.has_unsent(); }
  void close() { socket_.close(); }

  std::uint64_t want() const { return want_; }
  const std::optional<std::uint64_t>& end() const { return end_; }
  /// Somebody else acknowledges this stream.
  bool busy() const { return busy_; }

 private:
  LineSocket socket_;
  std::uint64_t want_ = 0;
  std::optional<std::uint64_t> end_;
  bool busy_ = false;
};

}  // namespace fl
