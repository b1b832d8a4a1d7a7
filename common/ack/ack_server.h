// The writer's end of the side connection: what the readers of our stream say (fl-ack(7)).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ack/line_socket.h"
#include "common/ack/socket_place.h"
#include "common/io/poll_set.h"

namespace fl {

class AckServer {
 public:
  static Result<std::unique_ptr<AckServer>> open();

  const std::string& stream_id() const { return id_; }
  const std::string& path() const { return socket_.path; }

  void watch(PollSet& set);
  /// Accepts and reads after set.wait(). `written`: events of the stream written so far; an ack for
  /// more ends that connection.
  void handle(const PollSet& set, std::uint64_t written);

  /// Some reader has proved that it reads this stream (it may be gone since).
  bool had_reader() const { return had_reader_; }
  /// The acknowledging reader is connected.
  bool has_reader() const { return reader_ && reader_->is_open(); }
  bool reader_lost() const { return had_reader_ && !has_reader(); }
  /// A second reader came: chance decided which of them acknowledges.
  bool was_shared() const { return shared_; }

  std::uint64_t acked() const { return acked_; }
  const std::optional<std::string>& rule() const { return rule_; }
  bool enough() const { return enough_; }
  std::uint64_t protocol_errors() const { return protocol_errors_; }

  void want(std::uint64_t n);
  void end(std::uint64_t n);
  /// Removes the socket's file: only a stage that ends with 0 does.
  void remove();

 private:
  struct Guest {  // connected, not (yet) the reader
    LineSocket socket;
    std::int64_t deadline_ms;
    bool greeted = false;
    int index = -1;
  };
  void accept_all();
  void reader_line(std::string_view line, std::uint64_t written);

  std::string id_;
  ListeningSocket socket_;
  int listen_index_ = -1;
  int reader_index_ = -1;
  std::unique_ptr<LineSocket> reader_;
  std::vector<Guest> guests_;
  std::uint64_t acked_ = 0;
  std::optional<std::string> rule_;
  std::optional<std::uint64_t> want_;
  std::optional<std::uint64_t> end_;
  std::uint64_t protocol_errors_ = 0;
  bool had_reader_ = false;
  bool shared_ = false;
  bool enough_ = false;
};

}  // namespace fl
