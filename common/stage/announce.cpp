#include "common/stage/announce.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "common/ack/socket_place.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "common/io/standard_fds.h"
#include "common/io/write_end.h"
#include "common/stream/container.h"

namespace fl {
namespace {

constexpr std::int64_t kLookMs = 20;

bool is_pipe_or_socket(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

// The writing end of `out`, if it is a pipe or a socket; a named pipe is waited for until it has a
// reader.
UniqueFd open_pipe_out(const std::string& out, std::int64_t deadline) {
  if (out.empty() || out == "-") {
    // The last one that writes to stdout may close it: a copy could fail for lack of a free
    // descriptor.
    const bool is_ours =
        is_pipe_or_socket(STDOUT_FILENO) && !is_same_file(STDOUT_FILENO, STDERR_FILENO);
    return UniqueFd(is_ours ? STDOUT_FILENO : -1);
  }
  struct stat info {};
  if (::stat(out.c_str(), &info) != 0 || !S_ISFIFO(info.st_mode)) {
    return {};
  }
  for (;;) {
    UniqueFd fd(::open(out.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (fd || errno != ENXIO || stop_requested() || monotonic_ms() >= deadline) {
      return fd;
    }
    PollSet set;
    set.wake_at(monotonic_ms() + kLookMs);
    set.wait();
  }
}

// A path that a socket had which nobody listens on any more; empty if none can be made.
std::string path_that_refuses() {
  const Result<ListeningSocket> socket = listen_in_runtime_dir();
  return socket ? socket->path : std::string();
}

}  // namespace

void announce_failure(const std::vector<std::string>& outs, const Failure& failure,
                      std::int64_t wait_ms) {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
  const std::int64_t deadline = monotonic_ms() + wait_ms;
  for (const std::string& out : outs) {
    UniqueFd fd = open_pipe_out(out, deadline);
    if (!fd) {
      continue;
    }
    Metadata more{{std::string(kKeyFailed), failure.text()}, {std::string(kKeyVersion), "1"}};
    if (std::string path = path_that_refuses(); !path.empty()) {
      more.emplace_back(kKeyStream, random_hex(16));
      more.emplace_back(kKeyAck, std::move(path));
    }
    const std::string header = container_header(event_metadata(std::move(more)), random_marker());
    WriteEnd end(std::move(fd));
    std::string_view left = header;
    while (!left.empty()) {
      const std::ptrdiff_t n = end.write_some(left.data(), left.size());
      if (n < 0 || (n == 0 && monotonic_ms() >= deadline)) {
        break;
      }
      left.remove_prefix(static_cast<std::size_t>(n));
      if (!left.empty()) {
        PollSet set;
        set.add(end.fd(), POLLOUT);
        set.wake_at(deadline);
        set.wait();
      }
    }
  }
}

}  // namespace fl
