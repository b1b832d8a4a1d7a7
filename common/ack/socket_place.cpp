#include "common/ack/socket_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "common/base/random.h"

namespace fl {
namespace {

constexpr std::string_view kPrefix = "fl-";
constexpr std::string_view kSuffix = ".ack";
constexpr std::size_t kHex = 32;
constexpr int kBacklog = 128;
constexpr std::time_t kStaleSeconds = std::time_t{24} * 3600;

bool are_hex(std::string_view text) {
  return text.size() == kHex &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

// fl-<32 hex digits>.ack
bool has_our_shape(std::string_view name) {
  return name.size() == kPrefix.size() + kHex + kSuffix.size() && name.starts_with(kPrefix) &&
         name.ends_with(kSuffix) && are_hex(name.substr(kPrefix.size(), kHex));
}

bool make_address(std::string_view path, sockaddr_un& address) {
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return false;
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  address.sun_path[path.size()] = '\0';
  return true;
}

std::string reason(int number) { return system_error("", number).message.substr(2); }

// Opens the folder at an absolute path for lookups below it. Each step is checked after it was
// opened, so that nobody can swap one in between. Empty, with errno and `why`: it is not there, a
// part of it is a link, or not everybody may enter it.
UniqueFd open_public_folder(std::string_view path, std::string& why) {
  const auto no = [&why](int number, std::string text) {
    why = std::move(text);
    errno = number;
    return UniqueFd();
  };
  UniqueFd dir(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t at = 0;;) {
    struct stat info {};
    if (!dir || fstat(dir.get(), &info) != 0) {
      const int number = errno;
      return no(number, reason(number));
    }
    const std::string folder(at == 0 ? "/" : path.substr(0, at));
    if (S_ISLNK(info.st_mode)) {
      return no(ELOOP, "'" + folder + "' is a link");
    }
    if (!S_ISDIR(info.st_mode)) {
      return no(ENOTDIR, "'" + folder + "' is not a directory");
    }
    if ((info.st_mode & S_IXOTH) == 0) {
      return no(EACCES, "'" + folder + "' is not open to everybody");
    }
    if (at >= path.size()) {
      return dir;
    }
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string name(path.substr(at + 1, end - at - 1));
    if (path[at] != '/' || name.empty() || name == "." || name == "..") {
      return no(EINVAL, "its path is not absolute and plain");
    }
    dir.reset(openat(dir.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    at = end;
  }
}

// Connects to the socket that an O_PATH descriptor holds. Empty, with errno: not possible.
UniqueFd connect_through(int held) {
  sockaddr_un address{};
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || !make_address("/proc/self/fd/" + std::to_string(held), address) ||
      connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int number = errno;
    fd.reset();
    errno = number;
  }
  return fd;
}

// Which starts sweep: one in sixteen looks at every socket of the folder, the others at none.
bool is_sweeper(std::string_view name) { return name[kPrefix.size()] == '0'; }

// Removes sockets of ours that a writer left when it failed.
void sweep(int folder) {
  const int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = own < 0 ? nullptr : fdopendir(own);
  if (dir == nullptr) {
    return;  // /run/fl may be written to and searched, but not listed
  }
  const std::time_t now = std::time(nullptr);
  const uid_t own_user = geteuid();
  while (const dirent* entry = readdir(dir)) {
    if (!has_our_shape(entry->d_name)) {
      continue;
    }
    struct stat info {};
    if (fstatat(folder, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISSOCK(info.st_mode) || info.st_uid != own_user ||
        now - info.st_mtime <= kStaleSeconds) {
      continue;
    }
    const UniqueFd held(openat(folder, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (held && !connect_through(held.get()) && errno == ECONNREFUSED) {
      unlinkat(folder, entry->d_name, 0);
    }
  }
  closedir(dir);
}

std::string fallback() { return "/tmp/fl-" + std::to_string(geteuid()); }

std::vector<std::string> places() {
  std::vector<std::string> out;
  for (const char* name : {"FL_RUNTIME_DIR", "RUNTIME_DIRECTORY"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && value[0] == '/') {
      const std::string_view first(value);
      out.emplace_back(first.substr(0, first.find(':')));  // systemd may give several
    }
  }
  out.emplace_back("/run/fl");
  out.push_back(fallback());
  return out;
}

// The path of the folder without links: what a reader accepts. A link that somebody left in /tmp
// under our name is not followed. Empty: there is no such folder.
std::string canonical(const std::string& place) {
  const std::size_t slash = place == fallback() ? place.rfind('/') : place.size();
  const std::unique_ptr<char, decltype(&std::free)> path(
      realpath(place.substr(0, slash).c_str(), nullptr), std::free);
  return path ? path.get() + place.substr(slash) : std::string();
}

Error no_descriptor(int number) {
  return system_error(ErrorClass::unavailable, "cannot make a socket for acknowledgements", number);
}

}  // namespace

Result<ListeningSocket> listen_in_runtime_dir() {
  std::string tried;
  for (const std::string& place : places()) {
    errno = 0;
    if (place == fallback() && mkdir(place.c_str(), 0711) == 0) {
      chmod(place.c_str(), 0711);  // whatever the umask
    }
    tried += (tried.empty() ? "" : ", ") + place;
    const std::string folder = canonical(place);
    std::string why;
    const UniqueFd dir = open_public_folder(folder, why);
    struct stat info {};
    if (!folder.empty() && !dir && (errno == EMFILE || errno == ENFILE)) {
      return no_descriptor(errno);
    }
    if (folder.empty() || !dir || fstat(dir.get(), &info) != 0 ||
        (info.st_uid != geteuid() && info.st_uid != 0)) {
      continue;
    }
    const std::string name = std::string(kPrefix) + random_hex(kHex / 2) + std::string(kSuffix);
    ListeningSocket made{UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                         folder + "/" + name};
    if (!made.fd && (errno == EMFILE || errno == ENFILE)) {
      return no_descriptor(errno);
    }
    sockaddr_un address{};
    sockaddr_un through{};
    if (!made.fd || !make_address(made.path, address) ||
        !make_address("/proc/self/fd/" + std::to_string(dir.get()) + "/" + name, through) ||
        bind(made.fd.get(), reinterpret_cast<const sockaddr*>(&through), sizeof through) != 0) {
      continue;
    }
    if (fchmodat(dir.get(), name.c_str(), 0666, 0) != 0 || listen(made.fd.get(), kBacklog) != 0) {
      unlinkat(dir.get(), name.c_str(), 0);
      continue;
    }
    if (is_sweeper(name)) {
      sweep(dir.get());
    }
    return made;
  }
  return Error{ErrorClass::create, "cannot make a socket for acknowledgements in any of " + tried,
               "set FL_RUNTIME_DIR to a directory of yours that others may search (mode 0711)"};
}

ConnectResult connect_to_writer(std::string_view path, std::string_view stream_id, int input_fd,
                                UniqueFd& out, std::string& why) {
  const auto barred = [&why](std::string text) {
    why = std::move(text);
    return ConnectResult::barred;
  };
  struct stat info {};
  if (fstat(input_fd, &info) != 0 || (!S_ISFIFO(info.st_mode) && !S_ISSOCK(info.st_mode))) {
    return ConnectResult::finished;  // a saved stream
  }
  const std::size_t slash = std::min(path.rfind('/'), path.size());
  const std::string name(path.substr(std::min(slash + 1, path.size())));
  if (path.empty() || path.find('\0') != std::string_view::npos || !has_our_shape(name)) {
    return barred("its name is not that of such a socket");
  }
  if (!are_hex(stream_id)) {
    return barred("the id of the stream is not 32 hexadecimal digits");
  }
  const UniqueFd dir = open_public_folder(path.substr(0, slash), why);
  const UniqueFd held(dir ? openat(dir.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1);
  if (!held) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return ConnectResult::finished;
    }
    return barred(dir ? reason(errno) : why);
  }
  if (fstat(held.get(), &info) != 0) {
    return barred(reason(errno));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return barred("it is not a socket");
  }
  if (info.st_nlink > 1 || (info.st_mode & S_IWOTH) == 0) {
    return barred(info.st_nlink > 1 ? "it has another name besides"
                                    : "it is not open to everybody");
  }
  return connect_to_held(held.get(), out, why);
}

ConnectResult connect_to_held(int held, UniqueFd& out, std::string& why) {
  out = connect_through(held);
  if (out) {
    return ConnectResult::connected;
  }
  const int number = errno;
  why = reason(number);
  struct stat info {};
  if (number == ECONNREFUSED && fstat(held, &info) == 0 && info.st_nlink == 0) {
    return ConnectResult::finished;  // it was removed since it was opened
  }
  return number == ECONNREFUSED ? ConnectResult::refused
         : number == EAGAIN     ? ConnectResult::busy
                                : ConnectResult::barred;
}

}  // namespace fl
