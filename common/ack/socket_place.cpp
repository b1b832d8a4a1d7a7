#include "common/ack/socket_place.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "common/base/random.h"

namespace fl {
namespace {

constexpr std::string_view kPrefix = "fl-";
constexpr std::string_view kSuffix = ".ack";
constexpr std::size_t kHex = 32;
constexpr std::time_t kStaleSeconds = std::time_t{24} * 3600;

// fl-<32 hex digits>.ack
bool has_our_shape(std::string_view name) {
  return name.size() == kPrefix.size() + kHex + kSuffix.size() && name.starts_with(kPrefix) &&
         name.ends_with(kSuffix) &&
         name.substr(kPrefix.size(), kHex).find_first_not_of("0123456789abcdef") ==
             std::string_view::npos;
}

std::string last_part(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
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

// Others must be able to walk to the socket: every folder above is searchable.
bool is_reachable(const std::string& dir) {
  for (std::size_t end = 1; end != std::string::npos;) {
    end = dir.find('/', end + 1);
    struct stat info {};
    if (stat(dir.substr(0, end).c_str(), &info) != 0 || (info.st_mode & S_IXOTH) == 0) {
      return false;
    }
  }
  return true;
}

// Opens the folder if it is one of ours or root's, and not a link.
UniqueFd open_dir(const std::string& path) {
  UniqueFd dir(open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!dir || fstat(dir.get(), &info) != 0 || (info.st_uid != geteuid() && info.st_uid != 0)) {
    return {};
  }
  return dir;
}

bool refuses(const std::string& path) {
  sockaddr_un address{};
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return fd && make_address(path, address) &&
         connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

void sweep(const std::string& path) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) {
    return;  // /run/fl may be written to and searched, but not listed
  }
  const std::time_t now = std::time(nullptr);
  while (const dirent* entry = readdir(dir)) {
    struct stat info {};
    if (has_our_shape(entry->d_name) &&
        fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISSOCK(info.st_mode) && info.st_uid == geteuid() && now - info.st_mtime > kStaleSeconds &&
        refuses(path + "/" + entry->d_name)) {
      unlinkat(dirfd(dir), entry->d_name, 0);
    }
  }
  closedir(dir);
}

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
  out.push_back("/tmp/fl-" + std::to_string(geteuid()));
  return out;
}

}  // namespace

Result<ListeningSocket> listen_in_runtime_dir() {
  std::string tried;
  for (const std::string& place : places()) {
    if (place.starts_with("/tmp/fl-") && mkdir(place.c_str(), 0711) == 0) {
      chmod(place.c_str(), 0711);  // whatever the umask
    }
    tried += (tried.empty() ? "" : ", ") + place;
    const UniqueFd dir = open_dir(place);
    if (!dir || !is_reachable(place)) {
      continue;
    }
    const std::string name = std::string(kPrefix) + random_hex(kHex / 2) + std::string(kSuffix);
    ListeningSocket made{UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                         place + "/" + name};
    sockaddr_un address{};
    sockaddr_un through{};
    if (!made.fd || !make_address(made.path, address) ||
        !make_address("/proc/self/fd/" + std::to_string(dir.get()) + "/" + name, through) ||
        bind(made.fd.get(), reinterpret_cast<const sockaddr*>(&through), sizeof through) != 0) {
      continue;
    }
    if (fchmodat(dir.get(), name.c_str(), 0666, 0) != 0 || listen(made.fd.get(), 16) != 0) {
      unlinkat(dir.get(), name.c_str(), 0);
      continue;
    }
    sweep(place);
    return made;
  }
  return Error{ErrorClass::create, "cannot make a socket for acknowledgements in any of " + tried,
               "set FL_RUNTIME_DIR to a directory of yours that others may search (mode 0711)"};
}

ConnectResult connect_to_writer(std::string_view path, int input_fd, UniqueFd& out,
                                std::string& why) {
  struct stat input {};
  if (fstat(input_fd, &input) != 0 || (!S_ISFIFO(input.st_mode) && !S_ISSOCK(input.st_mode))) {
    return ConnectResult::finished;  // a saved stream
  }
  sockaddr_un address{};
  if (path.empty() || path[0] != '/' || !has_our_shape(last_part(path)) ||
      !make_address(path, address)) {
    why = "its name is not one of ours";
    return ConnectResult::barred;
  }
  struct stat info {};
  if (lstat(address.sun_path, &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return ConnectResult::finished;
    }
    why = system_error("", errno).message.substr(2);
    return ConnectResult::barred;
  }
  if (!S_ISSOCK(info.st_mode)) {
    why = "it is not a socket";
    return ConnectResult::barred;
  }
  if (info.st_uid != geteuid() && info.st_uid != 0 && info.st_uid != input.st_uid) {
    why = "it belongs to another user";
    return ConnectResult::barred;
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    out = std::move(fd);
    return ConnectResult::connected;
  }
  switch (errno) {
    case ENOENT:
      return ConnectResult::finished;
    case ECONNREFUSED:
      return ConnectResult::refused;
    default:
      why = system_error("", errno).message.substr(2);
      return ConnectResult::barred;
  }
}

}  // namespace fl
