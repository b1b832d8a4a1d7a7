#include "common/stage/open_out.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "common/io/standard_fds.h"
#include "common/io/unix_endpoint.h"

namespace fl {
namespace {

// Nothing tells a writer that a reader waits in its open(2): we look, at first often.
constexpr std::int64_t kMostLookMs = 400;

bool is_stdout(const std::string& path) { return path.empty() || path == "-"; }

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool stat_input(const std::string& path, struct stat& info) {
  return (path == "-" ? ::fstat(STDIN_FILENO, &info) : ::stat(path.c_str(), &info)) == 0;
}

bool stat_output(const std::string& path, struct stat& info) {
  return (is_stdout(path) ? ::fstat(STDOUT_FILENO, &info) : ::stat(path.c_str(), &info)) == 0;
}

bool is_pipe(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

// A pipe without a name, /dev/fd/N of a shell: once its reader has gone, none can come.
bool is_nameless(const std::string& path) {
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 && info.f_type == PIPEFS_MAGIC;
}

// The descriptor that /dev/fd/N names.
UniqueFd inherited(const std::string& path) {
  for (const std::string_view place : {"/dev/fd/", "/proc/self/fd/"}) {
    if (path.starts_with(place)) {
      if (const Result<std::uint64_t> fd = parse_count(path.substr(place.size()), 1 << 30)) {
        return UniqueFd(::fcntl(static_cast<int>(*fd), F_DUPFD_CLOEXEC, 3));
      }
    }
  }
  return {};
}

UniqueFd open_now(const std::string& path) {
  return UniqueFd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0644));
}

Error cannot_open(const std::string& path) {
  return system_error(ErrorClass::create, "cannot open '" + path + "' for writing", errno);
}

Result<UniqueFd> open_when_read(const std::string& path, std::int64_t give_up_ms) {
  SignalState signals;
  const std::int64_t give_up = give_up_ms > 0 ? monotonic_ms() + give_up_ms : INT64_MAX;
  std::int64_t pause_ms = 1;
  for (;;) {
    UniqueFd fd = open_now(path);
    if (fd || errno != ENXIO) {
      return fd ? Result<UniqueFd>(std::move(fd)) : cannot_open(path);
    }
    if (monotonic_ms() >= give_up) {
      return Error{ErrorClass::again, "no progress for " + to_string(Duration{give_up_ms}) + ": '" +
                                          path + "' has no reader"};
    }
    PollSet set;
    const int signal = set.add(signal_fd(), POLLIN);
    set.wake_at(monotonic_ms() + pause_ms);
    set.wait();
    pause_ms = std::min(2 * pause_ms, kMostLookMs);
    if (set.revents(signal) == 0) {
      continue;
    }
    take_signals(signals);
    if (signals.stop > 0) {
      return Error{ErrorClass::again, "stopped before '" + path + "' had a reader", {}};
    }
    if (std::exchange(signals.report, false)) {
      log(LogLevel::info, "waits for a reader of '" + path + "'");
    }
  }
}

Result<UniqueFd> open_path(const std::string& path, std::int64_t give_up_ms) {
  UniqueFd fd = open_now(path);
  if (!fd && errno == ENXIO && is_pipe(path)) {
    if (is_nameless(path)) {
      fd = inherited(path);  // writing will show that its reader has gone
      return fd ? Result<UniqueFd>(std::move(fd)) : cannot_open(path);
    }
    return open_when_read(path, give_up_ms);
  }
  if (!fd) {
    return cannot_open(path);
  }
  // Only the opening of a pipe must not block.
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags >= 0) {
    (void)::fcntl(fd.get(), F_SETFL, flags & ~O_NONBLOCK);
  }
  return fd;
}

// Where a path leads that does not exist yet.
std::string resolved(const std::string& path) {
  std::error_code error;
  const std::filesystem::path found =
      std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
  return error ? path : found.string();
}

// The terminal that stdout is, under a name of its own.
bool is_our_terminal(const struct stat& info) {
  struct stat out {};
  return ::isatty(STDOUT_FILENO) == 1 && ::fstat(STDOUT_FILENO, &out) == 0 && is_same(info, out);
}

bool are_same(const std::string& one, const std::string& other) {
  if (is_unix_endpoint(one) || is_unix_endpoint(other)) {
    return is_unix_endpoint(one) && is_unix_endpoint(other) &&
           resolved(one.substr(kUnixPrefix.size())) == resolved(other.substr(kUnixPrefix.size()));
  }
  const bool has_stdout = is_stdout(one) || is_stdout(other);
  struct stat a {};
  struct stat b {};
  if (!stat_output(one, a) || !stat_output(other, b)) {
    return !has_stdout && resolved(one) == resolved(other);
  }
  if (S_ISCHR(a.st_mode) && !has_stdout && !is_our_terminal(a)) {
    return false;
  }
  return is_same(a, b);
}

Status check_listening_place(const std::string& endpoint) {
  const Result<std::string> path = unix_path(endpoint);
  if (!path) {
    return path.error();
  }
  const std::string refused = "cannot listen at '" + *path + "'";
  struct stat info {};
  if (::lstat(path->c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return Error{ErrorClass::create, refused + ": it is not a socket", {}};
  }
  const std::size_t slash = path->find_last_of('/');
  const std::string parent = slash == std::string::npos ? "." : path->substr(0, slash + 1);
  return ::faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) == 0
             ? Status()
             : Status(system_error(ErrorClass::create, refused, errno));
}

}  // namespace

Result<UniqueFd> open_out(const std::string& path, const std::vector<std::string>& inputs,
                          std::int64_t give_up_ms) {
  Result<UniqueFd> fd =
      is_stdout(path) ? Result<UniqueFd>(UniqueFd(STDOUT_FILENO)) : open_path(path, give_up_ms);
  if (!fd) {
    return fd;
  }
  if (Status status = check_writable(fd->get()); !status) {
    return status.error();
  }
  if (Status status = check_not_input(fd->get(), inputs); !status) {
    return status.error();
  }
  // A pipe or a device has nothing to empty.
  if (!is_stdout(path) && ::ftruncate(fd->get(), 0) != 0 && errno != EINVAL) {
    return system_error(ErrorClass::io, "cannot empty '" + path + "'", errno);
  }
  return fd;
}

Status check_place(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) {
      return cannot_open(path);
    }
    const std::size_t slash = path.find_last_of('/');
    const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    return ::faccessat(AT_FDCWD, parent.c_str(), W_OK | X_OK, AT_EACCESS) == 0
               ? Status()
               : Status(cannot_open(path));
  }
  if (S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    return cannot_open(path);
  }
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 ? Status()
                                                                    : Status(cannot_open(path));
}

Status check_out(const std::string& path, const std::vector<std::string>& inputs) {
  if (is_stdout(path)) {
    return {};
  }
  if (is_unix_endpoint(path)) {
    const Result<std::string> socket = unix_path(path);
    return socket ? Status() : Status(socket.error());  // a reader may listen there later
  }
  if (Status status = check_place(path); !status) {
    return status;
  }
  struct stat output {};
  const bool is_there = ::stat(path.c_str(), &output) == 0 && S_ISREG(output.st_mode);
  for (const std::string& input : inputs) {
    struct stat info {};
    if (is_there && stat_input(input, info) && is_same(info, output)) {
      return Error{ErrorClass::usage, "the output is also an input", {}};
    }
  }
  return {};
}

Status check_in(const std::string& path) {
  if (path == "-") {
    return {};
  }
  if (is_unix_endpoint(path)) {
    return check_listening_place(path);
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 ||
      ::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0) {
    return system_error("cannot open '" + path + "'", errno);
  }
  if (S_ISDIR(info.st_mode)) {
    return Error{ErrorClass::config, "cannot read '" + path + "': it is a directory", {}};
  }
  return {};
}

Status check_not_input(int fd, const std::vector<std::string>& inputs) {
  struct stat output {};
  if (::fstat(fd, &output) != 0 || !S_ISREG(output.st_mode)) {
    return {};
  }
  for (const std::string& input : inputs) {
    struct stat info {};
    if (stat_input(input, info) && is_same(info, output)) {
      return Error{ErrorClass::usage, "the output is also an input", {}};
    }
  }
  return {};
}

Status check_endpoints(const std::vector<std::string>& ins, const std::vector<std::string>& outs) {
  for (const std::vector<std::string>* names : {&ins, &outs}) {
    for (const std::string& name : *names) {
      if (const Result<std::string> path = unix_path(name); is_unix_endpoint(name) && !path) {
        return path.error();
      }
    }
  }
  for (const std::string& in : ins) {
    for (const std::string& out : outs) {
      if (is_unix_endpoint(in) && are_same(in, out)) {
        return Error{ErrorClass::usage, "the output is also an input", {}};
      }
    }
  }
  return {};
}

Status check_distinct(const std::vector<std::string>& paths) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (are_same(paths[k], paths[i])) {
        return Error{ErrorClass::usage,
                     paths[k] == paths[i]
                         ? "--out '" + paths[i] + "' is given twice"
                         : "--out '" + paths[k] + "' and '" + paths[i] + "' are the same",
                     "each output needs a file or pipe of its own"};
      }
    }
  }
  return {};
}

}  // namespace fl
