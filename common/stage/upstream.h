// One stream that comes in, and what its writer and we have told each other (DESIGN 3).
#pragma once

#include <cstdint>
#include <string>

#include "common/ack/ack_client.h"
#include "common/stream/container.h"

namespace fl {

class Upstream {
 public:
  /// Text has no writer to talk to.
  Upstream() = default;
  /// Connects as the header says. `early()` is true at once if the writer is dead.
  Upstream(const ContainerHeader& header, int input_fd);

  AckClient& client() { return client_; }
  /// After poll.
  void handle();

  /// n more events were read.
  void count(std::uint64_t n) { read_ += n; }
  std::uint64_t read() const { return read_; }
  /// The first n events are safe: tells the writer. Never falls.
  void ack(std::uint64_t n);
  std::uint64_t acked() const { return acked_; }
  /// Tells the rule, whenever it is new.
  void at(std::string_view rule);
  void enough();

  /// The writer has said `end` and everything is read.
  bool complete() const { return client_.end() && *client_.end() == read_; }
  /// The stream is over (end of input or another header follows): was it a whole one?
  void finish(bool need_end);
  /// The stream is damaged or not read further: no judgement on its writer.
  void abandon() { finished_ = true; }
  bool finished() const { return finished_; }
  /// The writer died, or ended without `end`, or said another count.
  bool early() const { return early_; }
  /// --need-end and a stream without a connection.
  bool unproved() const { return unproved_; }
  /// Nothing more will be said: may be forgotten.
  bool settled() const { return finished_ && acked_ == read_ && !client_.has_unsent(); }
  /// Events that the writer wants safe now, as far as they are read; 0: nothing new.
  std::uint64_t take_want();

 private:
  AckClient client_;
  bool has_writer_ = false;
  bool lost_ = false;
  bool early_ = false;
  bool unproved_ = false;
  bool finished_ = false;
  std::uint64_t read_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t want_done_ = 0;
  std::string rule_;
};

}  // namespace fl
