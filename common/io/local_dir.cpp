#include "common/io/local_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

namespace fl {
namespace {

constexpr int kDirFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

std::string quoted(std::string_view what, std::string_view path) {
  std::string text(what);
  text += " '";
  text += path;
  text += "'";
  return text;
}

// The errno of a failure, also where the caller wants it.
int noted(int* number) {
  const int found = errno;
  if (number != nullptr) {
    *number = found;
  }
  return found;
}

// The components of `path`, without empty ones and ".".
std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

// A directory below `parent`, or -1 with errno.
int open_beneath(int parent, const std::string& relative, const std::vector<std::string>& parts) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(kDirFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0;; ++tries) {
    const long fd = syscall(SYS_openat2, parent, relative.c_str(), &how, sizeof how);
    if (fd >= 0) {
      return static_cast<int>(fd);
    }
    // EAGAIN: a rename ran beside us and the kernel could not be sure; EINTR: a signal.
    if ((errno != EAGAIN && errno != EINTR) || tries == 100) {
      break;
    }
  }
  if (errno != ENOSYS && errno != EPERM) {
    return -1;
  }
  // No openat2 here (an old kernel or a filter): ".." was refused before, so one O_NOFOLLOW step
  // after the other cannot leave either.
  UniqueFd dir(fcntl(parent, F_DUPFD_CLOEXEC, 0));
  for (const std::string& part : parts) {
    if (!dir) {
      return -1;
    }
    dir.reset(openat(dir.get(), part.c_str(), kDirFlags | O_NOFOLLOW));
  }
  return dir.release();
}

}  // namespace

std::string LocalDir::path_of(std::string_view name) const {
  std::string text = path_;
  if (!text.ends_with('/')) {
    text += '/';
  }
  text += name;
  return text;
}

Result<LocalDir> LocalDir::open(const std::string& path, Missing missing) {
  const int fd = ::open(path.empty() ? "." : path.c_str(), kDirFlags);
  if (fd >= 0) {
    return LocalDir(UniqueFd(fd), path);
  }
  if (errno != ENOENT || missing == Missing::fail) {
    return system_error(quoted("cannot open the directory", path), errno);
  }
  LocalDir dir(UniqueFd(::open(path.starts_with('/') ? "/" : ".", kDirFlags)),
               path.starts_with('/') ? "/" : ".");
  for (const std::string& part : components(path)) {
    const std::string name = dir.path_of(part);
    int next = openat(dir.fd(), part.c_str(), kDirFlags);
    if (next < 0 && errno == ENOENT) {
      if (mkdirat(dir.fd(), part.c_str(), 0777) != 0 && errno != EEXIST) {
        const int number = errno;
        return number == EACCES || number == EPERM
                   ? system_error(quoted("cannot make the directory", name), number)
                   : system_error(ErrorClass::create, quoted("cannot make the directory", name),
                                  number);
      }
      const Status synced = dir.sync();
      if (!synced) {
        return synced.error();
      }
      next = openat(dir.fd(), part.c_str(), kDirFlags);
    }
    if (next < 0) {
      return system_error(quoted("cannot open the directory", name), errno);
    }
    dir = LocalDir(UniqueFd(next), name);
  }
  dir.path_ = path;
  return dir;
}

Result<LocalDir> LocalDir::below(std::string_view relative, Missing missing, int* number) const {
  if (number != nullptr) {
    *number = 0;
  }
  const std::vector<std::string> parts = components(relative);
  std::string joined;
  for (const std::string& part : parts) {
    if (part == ".." || part.find('\0') != std::string::npos) {
      return Error{ErrorClass::input, quoted("refused the directory", path_of(relative)) +
                                          ": it would leave '" + path_ + "'"};
    }
    joined += joined.empty() ? "" : "/";
    joined += part;
  }
  const std::string full = joined.empty() ? path_ : path_of(joined);
  int fd = open_beneath(fd_.get(), joined.empty() ? "." : joined, parts);
  if (fd >= 0) {
    return LocalDir(UniqueFd(fd), full);
  }
  if (errno != ENOENT || missing == Missing::fail) {
    return system_error(quoted("cannot open the directory", full), noted(number));
  }
  LocalDir dir(UniqueFd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0)), path_);
  for (const std::string& part : parts) {
    const std::string name = dir.path_of(part);
    fd = open_beneath(dir.fd(), part, {part});
    if (fd < 0 && errno == ENOENT) {
      if (mkdirat(dir.fd(), part.c_str(), 0777) != 0 && errno != EEXIST) {
        return system_error(quoted("cannot make the directory", name), noted(number));
      }
      fd = open_beneath(dir.fd(), part, {part});
    }
    if (fd < 0) {
      return system_error(quoted("cannot open the directory", name), noted(number));
    }
    dir = LocalDir(UniqueFd(fd), name);
  }
  return dir;
}

Status LocalDir::sync() const {
  if (fsync(fd_.get()) != 0) {
    return system_error(ErrorClass::io, quoted("cannot sync the directory", path_), errno);
  }
  return {};
}

Status LocalDir::sync_path(std::string_view relative) const {
  if (Status synced = sync(); !synced) {
    return synced;
  }
  std::string prefix;
  for (const std::string& part : components(relative)) {
    prefix += prefix.empty() ? "" : "/";
    prefix += part;
    const Result<LocalDir> dir = below(prefix, Missing::fail);
    if (!dir) {
      return dir.error();
    }
    if (Status synced = dir->sync(); !synced) {
      return synced;
    }
  }
  return {};
}

std::string LocalDir::identity(std::string_view relative) const {
  std::string text;
  std::string prefix = ".";
  std::vector<std::string> parts = components(relative);
  parts.insert(parts.begin(), ".");
  for (const std::string& part : parts) {
    prefix += "/" + part;
    struct statx info {};
    if (statx(fd_.get(), prefix.c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &info) !=
            0 ||
        (info.stx_mask & STATX_BTIME) == 0) {
      return {};
    }
    for (const std::uint64_t number :
         {std::uint64_t{info.stx_dev_major}, std::uint64_t{info.stx_dev_minor},
          std::uint64_t{info.stx_ino}, static_cast<std::uint64_t>(info.stx_btime.tv_sec),
          std::uint64_t{info.stx_btime.tv_nsec}}) {
      text += std::to_string(number) + ' ';
    }
  }
  return text;
}

bool is_removed(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && info.st_nlink == 0;
}

bool LocalDir::exists() const { return !is_removed(fd_.get()); }

bool LocalDir::is_replaced() const {
  struct stat ours {};
  struct stat there {};
  return fstat(fd_.get(), &ours) == 0 && stat(path_.c_str(), &there) == 0 &&
         (ours.st_dev != there.st_dev || ours.st_ino != there.st_ino);
}

Result<UniqueFd> LocalDir::create_file(const std::string& name, int* number) const {
  if (number != nullptr) {
    *number = 0;
  }
  UniqueFd fd(
      openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!fd) {
    return system_error(quoted("cannot create", path_of(name)), noted(number));
  }
  return fd;
}

Result<bool> LocalDir::rename(const std::string& from, const std::string& to, int* number) const {
  if (number != nullptr) {
    *number = 0;
  }
  if (renameat2(fd_.get(), from.c_str(), fd_.get(), to.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  if (errno == EEXIST) {
    return false;
  }
  if (errno == EINVAL || errno == ENOSYS) {
    // A file system without RENAME_NOREPLACE (some network ones): a hard link refuses an existing
    // target just as surely.
    if (linkat(fd_.get(), from.c_str(), fd_.get(), to.c_str(), 0) == 0) {
      const Status removed = remove(from);
      if (!removed) {
        return removed.error();
      }
      return true;
    }
    if (errno == EEXIST) {
      return false;
    }
  }
  const int found = noted(number);
  return system_error(quoted("cannot rename", path_of(from)) + " to '" + to + "'", found);
}

Status LocalDir::remove(const std::string& name) const {
  if (unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
    return system_error(quoted("cannot remove", path_of(name)), errno);
  }
  return {};
}

Result<std::vector<LocalDir::Entry>> LocalDir::files(bool (*accepts)(std::string_view)) const {
  const int own = openat(fd_.get(), ".", kDirFlags);
  std::unique_ptr<DIR, int (*)(DIR*)> stream(own < 0 ? nullptr : fdopendir(own), closedir);
  if (stream == nullptr) {
    const int number = errno;
    if (own >= 0) {
      ::close(own);
    }
    return system_error(quoted("cannot list the directory", path_), number);
  }
  std::vector<Entry> found;
  errno = 0;
  while (const dirent* entry = readdir(stream.get())) {
    struct stat info {};
    if (accepts(entry->d_name) &&
        fstatat(fd_.get(), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(info.st_mode)) {
      found.push_back({entry->d_name, static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1000 +
                                          info.st_mtim.tv_nsec / 1'000'000});
    }
    errno = 0;
  }
  if (errno != 0) {
    return system_error(quoted("cannot list the directory", path_), errno);
  }
  return found;
}

bool LocalDir::remove_unlocked(const std::string& name) const {
  const UniqueFd fd(
      openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return fd && flock(fd.get(), LOCK_EX | LOCK_NB) == 0 && unlinkat(fd_.get(), name.c_str(), 0) == 0;
}

std::size_t write_some(int fd, std::string_view bytes, int& number) {
  std::size_t done = 0;
  number = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      number = errno;
      break;
    }
  }
  return done;
}

bool is_disk_full(int number) { return number == ENOSPC || number == EDQUOT; }

}  // namespace fl
