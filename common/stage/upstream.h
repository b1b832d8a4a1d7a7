// One stream that comes in, and what its writer and we have told each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/ack/ack_client.h"
#include "common/ack/guarantee.h"
#include "common/stream/container.h"

namespace fl {

/// Owns the connection to the writer of one stream. It is connecting (again, while the writer is
/// busy), connected, without a writer (saved, or ended with 0), refused (the writer is dead) or
/// barred (the socket may not be used). finish() judges it once; only then are early(),
/// unconfirmed() and unproved() final, because `end` may arrive later than the last byte of the
/// stream.
///
/// Between calls acked() <= read(), and both only grow. What could not be sent over a connection
/// (resume, at, ack) is sent once it is there, so callers need not know the state.
class Upstream {
 public:
  /// Text has no writer to talk to.
  Upstream() = default;
  /// Connects as the header says. `early()` is true at once if the writer is dead.
  Upstream(const ContainerHeader& header, int input_fd);

  AckClient& client() { return client_; }
  /// After poll.
  void handle();
  /// When to try again to connect, monotonic ms: the writer had no room for another reader. -1:
  /// never.
  std::int64_t retry_ms() const { return retry_ms_; }
  void retry();

  /// It comes over a connection of a unix: endpoint: if it ends early, its writer sends the rest
  /// over the next, so nothing is wrong with this stage's input.
  void set_resumable() { is_resumable_ = true; }
  bool is_resumable() const { return is_resumable_; }

  /// n more events were read.
  void count(std::uint64_t n) { read_ += n; }
  std::uint64_t read() const { return read_; }
  /// The first n events are safe: tells the writer. Never falls.
  void ack(std::uint64_t n);
  std::uint64_t acked() const { return acked_; }
  /// We keep positions, and have these. Before at().
  void resume(std::vector<Position> kept);
  /// resume() was called: the writer may send positions.
  bool has_positions() const { return kept_.has_value(); }
  std::optional<PositionQueue::Entry> take_position() { return client_.take_position(read_); }
  bool has_position() const { return client_.has_position(read_); }
  /// What the header says of the number of the first event. Only number() is sure.
  const std::optional<EventNumber>& first_number() const { return first_number_; }
  /// The number in a log that the stream's event `n` has, as its writer said; and the next event
  /// after it where that changes. Call it after handle(), since it is sent before the event. Never
  /// falls.
  std::optional<EventNumber> number(std::uint64_t n);
  std::uint64_t next_number(std::uint64_t n) { return client_.numbers().next_mark(n); }
  /// Tells the rule, whenever it is new.
  void at(const Guarantee& guarantee);
  bool knows_rule() const { return !at_.empty(); }
  void enough();

  /// The writer has said `end` and everything is read.
  bool complete() const { return client_.end() && *client_.end() == read_; }
  /// Everything that will ever come is read.
  bool no_more_comes() const {
    return finished_ || complete() || (client_.last() && *client_.last() == read_);
  }
  /// What the writer said of its own end, if that was not 0.
  const std::optional<Failure>& failure() const { return failure_; }
  /// The stream is over (end of input or another header follows): was it a whole one?
  void finish(bool need_end);
  /// The stream is damaged or not read further: no judgement on its writer.
  void abandon() { finished_ = true; }
  bool finished() const { return finished_; }
  /// The writer died, or ended without `end`, or said another count.
  bool early() const { return early_; }
  /// The writer may be there but cannot be reached, so nothing is known of its end.
  bool unconfirmed() const { return finished_ && barred_; }
  /// --need-end and a stream without a connection.
  bool unproved() const { return unproved_; }
  /// Its writer has not said that all is written, even after a last receive: a block that is cut
  /// off is an early end and not damage.
  bool ends_early();
  /// Nothing more will be said: may be forgotten.
  bool settled() const { return finished_ && acked_ == read_ && !client_.has_unsent(); }
  /// Events that the writer wants safe now, as far as they are read; 0: nothing new.
  std::uint64_t take_want();

 private:
  void connect();

  std::string path_;  // of the writer's socket
  std::string stream_id_;
  int input_fd_ = -1;
  std::int64_t retry_ms_ = -1;
  bool enough_ = false;  // sent to the writer, or to be sent once it accepts us
  AckClient client_;
  std::optional<Failure> failure_;
  bool is_resumable_ = false;
  bool has_writer_ = false;
  bool barred_ = false;
  bool early_ = false;
  bool unproved_ = false;
  bool finished_ = false;
  std::uint64_t read_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t want_done_ = 0;
  std::optional<std::vector<Position>> kept_;
  std::optional<EventNumber> first_number_;
  std::string at_;  // as sent to the writer
  Level level_ = Level::none;
  std::string words_;
};

}  // namespace fl
