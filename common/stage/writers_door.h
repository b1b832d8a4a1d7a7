// Where writers come in: --in unix:PATH.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/poll_set.h"
#include "common/io/unix_endpoint.h"

namespace fl {

/// Owns the listening socket and knows how connections have ended; the connections themselves are
/// the intake's. It is open, and then over: it was closed, or, with `until_end`, every writer has
/// ended its stream. That is so when at least one has, nobody is connected, each connection that
/// ended early was followed by another, since a writer that was killed comes back with the rest,
/// and writers that waited for a reader when this one began to listen have had time to find it.
class WritersDoor {
 public:
  struct Writer {
    UniqueFd fd;
    std::string name;  ///< for messages
  };

  /// Listens at a unix: endpoint.
  static Result<std::unique_ptr<WritersDoor>> open(const std::string& endpoint, bool until_end);

  void watch(PollSet& set);
  /// After poll: the next writer; a bounded number in one turn. Call until there is none.
  std::optional<Writer> next(const PollSet& set);
  /// The writer of a connection has begun to say something.
  void begun();
  /// A connection is over. `whole`: all that its writer had to say; nothing: it said nothing.
  void left(std::optional<bool> whole);

  /// Nobody comes in any more; the socket is gone.
  void close() { listener_.close(); }
  bool is_over() const { return !listener_.is_open(); }

 private:
  WritersDoor(UnixListener listener, bool until_end);
  bool all_have_ended() const;

  UnixListener listener_;
  const bool until_end_;
  const std::int64_t found_ms_;  // when writers that look for a reader have found this one
  std::uint64_t connected_ = 0;
  std::uint64_t missing_ = 0;  // connections that ended early and were not followed by another
  bool had_whole_ = false;
  int in_turn_ = 0;
};

}  // namespace fl
