#include "common/io/unix_endpoint.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"

namespace fl {
namespace {

constexpr int kBacklog = 128;
constexpr std::int64_t kPauseMs = 10;  // doubled up to kMostPauseMs
constexpr std::int64_t kLockMs = 1000;

std::int64_t next_pause(std::int64_t pause_ms) {
  return std::clamp(2 * pause_ms, kPauseMs, UnixDialer::kMostPauseMs);
}

// The path was checked by unix_path().
sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

UniqueFd unix_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool connect_to(const UniqueFd& fd, const std::string& path) {
  const sockaddr_un address = address_of(path);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// Who is at the other end.
ucred peer_of(const UniqueFd& fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    peer.uid = static_cast<uid_t>(-1);
  }
  return peer;
}

bool is_trusted(uid_t user) { return user == ::geteuid() || user == 0; }

std::string reason(int number) { return system_error("", number).message.substr(2); }

// One process at a time checks who listens in a folder and replaces a dead one: two that start
// together must not remove each other's socket. The lock lasts as long as the descriptor. Where the
// folder cannot be locked (it cannot be read, or somebody holds it for long) it goes without.
UniqueFd lock_folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::int64_t end = monotonic_ms() + kLockMs;
  while (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
         monotonic_ms() < end) {
    PollSet pause;
    pause.wake_at(monotonic_ms() + kPauseMs);
    pause.wait();
  }
  return fd;
}

Error cannot_listen(const std::string& path, int number) {
  return system_error(ErrorClass::create, "cannot listen at '" + path + "'", number);
}

// Removes a socket on which nobody listens any more.
Status clear(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? Status() : Status(cannot_listen(path, errno));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return Error{ErrorClass::create, "cannot listen at '" + path + "': it is not a socket", {}};
  }
  const UniqueFd probe = unix_socket();
  const bool connected = probe && connect_to(probe, path);
  if (!connected && errno == ECONNREFUSED) {
    return ::unlink(path.c_str()) == 0 || errno == ENOENT ? Status()
                                                          : Status(cannot_listen(path, errno));
  }
  if (!connected && errno != EAGAIN) {
    return errno == ENOENT ? Status() : Status(cannot_listen(path, errno));
  }
  const pid_t pid = connected ? peer_of(probe).pid : 0;
  return Error{ErrorClass::create,
               "'" + path + "' is in use by " +
                   (pid > 0 ? "process " + std::to_string(pid) : "another process"),
               "each reader needs a PATH of its own"};
}

}  // namespace

Result<std::string> unix_path(std::string_view endpoint) {
  std::string path(endpoint.substr(std::min(kUnixPrefix.size(), endpoint.size())));
  constexpr std::size_t kMost = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty()) {
    return Error{ErrorClass::usage, "'unix:' names no socket",
                 "give its path: unix:/run/fl/events.sock"};
  }
  if (path.size() > kMost) {
    return Error{ErrorClass::usage,
                 "'" + path + "' is longer than the address of a socket can be (" +
                     std::to_string(kMost) + " bytes)",
                 "use a shorter path, or one relative to the working directory"};
  }
  return path;
}

// ---------------------------------------------------------------- the reader's side

Result<UnixListener> UnixListener::open(const std::string& path) {
  const UniqueFd lock = lock_folder_of(path);
  if (Status status = clear(path); !status) {
    return status.error();
  }
  UnixListener made(unix_socket(), path);
  const sockaddr_un address = address_of(path);
  struct stat info {};
  // Before bind(2): the file has this mode from its first moment on.
  if (!made.fd_ || ::fchmod(made.fd_.get(), 0600) != 0 ||
      ::bind(made.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int number = errno;
    made.fd_.reset();
    return cannot_listen(path, number);
  }
  if (::lstat(path.c_str(), &info) == 0) {
    made.device_ = info.st_dev;
    made.inode_ = info.st_ino;
  }
  if (::listen(made.fd_.get(), kBacklog) != 0) {
    return cannot_listen(path, errno);
  }
  return made;
}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::move(other.fd_);
    path_ = std::move(other.path_);
    device_ = other.device_;
    inode_ = other.inode_;
    index_ = other.index_;
    pause_ms_ = other.pause_ms_;
    accept_at_ms_ = other.accept_at_ms_;
  }
  return *this;
}

void UnixListener::watch(PollSet& set) {
  // Without free descriptors the socket would stay readable: a timer retries instead.
  index_ = fd_ && accept_at_ms_ < 0 ? set.add(fd_.get(), POLLIN) : -1;
  if (fd_) {
    set.wake_at(accept_at_ms_);
  }
}

UnixListener::Peer UnixListener::accept(const PollSet& set) {
  if (!fd_ || (set.revents(index_) == 0 && (accept_at_ms_ < 0 || monotonic_ms() < accept_at_ms_))) {
    return {};
  }
  for (;;) {
    UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd && (errno == EINTR || errno == ECONNABORTED)) {
      continue;
    }
    if (!fd && errno != EAGAIN) {
      pause_ms_ = std::max(next_pause(pause_ms_), std::int64_t{100});
      accept_at_ms_ = monotonic_ms() + pause_ms_;
      return {};
    }
    accept_at_ms_ = -1;
    if (!fd) {
      return {};
    }
    pause_ms_ = 0;
    const ucred peer = peer_of(fd);
    if (is_trusted(peer.uid)) {
      return {std::move(fd), peer.pid};
    }
    log(LogLevel::warning, "sent away a writer of another user (" + std::to_string(peer.uid) +
                               ") at 'unix:" + path_ + "'");
  }
}

void UnixListener::close() {
  struct stat info {};
  if (fd_ && inode_ != 0 && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  fd_.reset();
}

// ---------------------------------------------------------------- the writer's side

UniqueFd UnixDialer::connect_now(std::string& why) const {
  UniqueFd fd = unix_socket();
  if (!fd || !connect_to(fd, path_)) {
    const int number = errno;
    struct stat info {};
    const bool is_other =
        number == ECONNREFUSED && ::lstat(path_.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode);
    why = is_other ? "it is not a socket" : reason(number);
    return {};
  }
  if (const ucred peer = peer_of(fd); !is_trusted(peer.uid)) {
    why = "its reader is another user (" + std::to_string(peer.uid) + ")";
    return {};
  }
  return fd;
}

UniqueFd UnixDialer::dial() {
  std::string why;
  UniqueFd fd = connect_now(why);
  if (!fd) {
    lost(std::move(why));
  }
  return fd;
}

void UnixDialer::lost(std::string why) {
  why_ = std::move(why);
  pause_ms_ = next_pause(pause_ms_);
  next_ms_ = monotonic_ms() + pause_ms_;
}

bool UnixDialer::is_patient() const { return pause_ms_ == kMostPauseMs; }

}  // namespace fl
