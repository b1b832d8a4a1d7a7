// unix:PATH, an endpoint that outlives its peers: the reader listens at PATH, writers connect, and
// connect again when they have lost each other. Only processes of the same user, or root's, meet.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/poll_set.h"

namespace fl {

/// What --in and --out begin with where they name such an endpoint.
inline constexpr std::string_view kUnixPrefix = "unix:";
inline bool is_unix_endpoint(std::string_view text) { return text.starts_with(kUnixPrefix); }
/// The PATH in it. Errors (class usage): it is empty, or longer than a socket's address can be.
Result<std::string> unix_path(std::string_view endpoint);

/// Owns the listening socket at PATH (mode 0600) and the file of that name, which it removes at the
/// end. A file whose listener has died is replaced; a live one is never disturbed.
class UnixListener {
 public:
  struct Peer {
    UniqueFd fd;  ///< non-blocking; empty: nobody is there now
    pid_t pid = 0;
  };

  /// Errors: class create if somebody else listens there, or PATH is not a socket.
  static Result<UnixListener> open(const std::string& path);
  UnixListener(UnixListener&&) = default;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener() { close(); }

  const std::string& path() const { return path_; }
  void watch(PollSet& set);
  /// After poll: the next writer that waits. One of another user is rejected, which is logged. Call
  /// until it gives nobody.
  Peer accept(const PollSet& set);
  /// Nobody can connect any more, and the file is gone.
  void close();
  bool is_open() const { return static_cast<bool>(fd_); }

 private:
  UnixListener(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;  // of the file
  ino_t inode_ = 0;
  int index_ = -1;
  std::int64_t pause_ms_ = 0;       // the last wait for a free descriptor
  std::int64_t accept_at_ms_ = -1;  // instead of when the socket is readable
};

/// Connects to PATH, and again, with growing pauses of at most a second: waiting for a reader that
/// is away uses no CPU.
class UnixDialer {
 public:
  static constexpr std::int64_t kMostPauseMs = 1000;

  explicit UnixDialer(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  /// When dial() is worth a call, monotonic ms.
  std::int64_t next_ms() const { return next_ms_; }
  /// One attempt. Empty: nobody listens there who may read us; why() says it, and next_ms() when to
  /// try again.
  UniqueFd dial();
  /// The reason of the last failure.
  const std::string& why() const { return why_; }
  /// The connection was lost, for this reason.
  void lost(std::string why);
  /// Nobody has been there for so long that the pauses have stopped growing.
  bool is_patient() const;
  /// The reader has acknowledged events: after its loss the first pause is short.
  void worked() { pause_ms_ = 0; }

 private:
  UniqueFd connect_now(std::string& why) const;

  std::string path_;
  std::string why_;
  std::int64_t next_ms_ = 0;
  std::int64_t pause_ms_ = 0;
};

}  // namespace fl
