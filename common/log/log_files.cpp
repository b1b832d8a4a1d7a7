#include "common/log/log_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/unique_fd.h"
#include "common/io/local_dir.h"

namespace fl {
namespace {

int result_of(int returned) { return returned == 0 ? 0 : -errno; }

class SystemFile final : public LogFile {
 public:
  explicit SystemFile(UniqueFd fd) : fd_(std::move(fd)) {}

  std::int64_t pread(void* to, std::size_t size, std::uint64_t offset) override {
    const ssize_t n = ::pread(fd_.get(), to, size, static_cast<off_t>(offset));
    return n < 0 ? -errno : n;
  }
  std::int64_t pwritev(std::span<const iovec> parts, std::uint64_t offset) override {
    const ssize_t n = ::pwritev(fd_.get(), parts.data(), static_cast<int>(parts.size()),
                                static_cast<off_t>(offset));
    return n < 0 ? -errno : n;
  }
  int fdatasync() override { return result_of(::fdatasync(fd_.get())); }
  // Without a flag that waits it leaves errors of the disk to fdatasync().
  void start_writing(std::uint64_t offset, std::uint64_t size) override {
    (void)::sync_file_range(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(size),
                            SYNC_FILE_RANGE_WRITE);
  }
  int ftruncate(std::uint64_t size) override {
    return result_of(::ftruncate(fd_.get(), static_cast<off_t>(size)));
  }
  std::int64_t size() override {
    struct stat info {};
    return ::fstat(fd_.get(), &info) == 0 ? std::int64_t{info.st_size} : -errno;
  }
  bool has_name() override { return !is_removed(fd_.get()); }
  int lock(Lock how) override {
    return result_of(::flock(fd_.get(), (how == Lock::shared ? LOCK_SH : LOCK_EX) | LOCK_NB));
  }

 private:
  const UniqueFd fd_;
};

class SystemFiles final : public LogFiles {
 public:
  SystemFiles(LocalDir dir, LogModes modes) : dir_(std::move(dir)), modes_(modes) {}

  int open(const std::string& name, Open how, std::unique_ptr<LogFile>& file) override {
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (how == Open::read ? O_RDONLY : O_RDWR);
    if (how == Open::create || how == Open::create_new) {
      flags |= O_CREAT | (how == Open::create_new ? O_EXCL : 0);
    }
    UniqueFd fd(::openat(dir_.fd(), name.c_str(), flags, modes_.file()));
    if (!fd) {
      return -errno;
    }
    // What is not a regular file (a pipe, a device) has no place here, and might block.
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
      return -errno;
    }
    if (!S_ISREG(info.st_mode)) {
      return S_ISDIR(info.st_mode) ? -EISDIR : -EINVAL;
    }
    // New, or one that never has content (a lock), made by this user under another umask.
    if ((flags & O_CREAT) != 0 && modes_.is_exact && info.st_size == 0 &&
        info.st_uid == ::geteuid() && (info.st_mode & 0777) != modes_.file()) {
      (void)::fchmod(fd.get(), modes_.file());
    }
    file = std::make_unique<SystemFile>(std::move(fd));
    return 0;
  }
  int rename(const std::string& from, const std::string& to) override {
    return result_of(::renameat(dir_.fd(), from.c_str(), dir_.fd(), to.c_str()));
  }
  int unlink(const std::string& name) override {
    return result_of(::unlinkat(dir_.fd(), name.c_str(), 0));
  }
  int mkdir(const std::string& name) override {
    return result_of(::mkdirat(dir_.fd(), name.c_str(), modes_.directory));
  }
  int list(const std::string& directory, std::vector<std::string>& names) override {
    const int fd = open_dir(directory);
    if (fd < 0) {
      return fd;
    }
    DIR* const stream = ::fdopendir(fd);
    if (stream == nullptr) {
      const int number = errno;
      ::close(fd);
      return -number;
    }
    errno = 0;
    while (const dirent* const entry = ::readdir(stream)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") {
        names.emplace_back(name);
      }
      errno = 0;
    }
    const int number = errno;
    ::closedir(stream);
    return -number;
  }
  int sync_dir(const std::string& directory) override {
    const int fd = open_dir(directory);
    if (fd < 0) {
      return fd;
    }
    const UniqueFd owned(fd);
    return result_of(::fsync(fd));
  }
  int space(LogSpace& space) override {
    struct statfs info {};
    if (::fstatfs(dir_.fd(), &info) != 0) {
      return -errno;
    }
    const auto block = static_cast<std::uint64_t>(info.f_bsize);
    space = {info.f_bavail * block, info.f_blocks * block, info.f_type};
    return 0;
  }
  bool has_place() override { return dir_.exists() && !dir_.is_replaced(); }
  const std::string& path() const override { return dir_.path(); }
  std::int64_t now_ms() override { return wall_ms(); }
  std::uint64_t random() override {
    std::uint64_t value = 0;
    const std::string bytes = random_bytes(sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }

 private:
  int open_dir(const std::string& directory) const {
    const int fd = ::openat(dir_.fd(), directory.empty() ? "." : directory.c_str(),
                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
  }

  const LocalDir dir_;
  const LogModes modes_;
};

// The log's directory itself may have to be less open than what LocalDir makes.
Status make_directory(const std::string& path, LogModes modes) {
  const std::size_t slash = path.find_last_not_of('/');
  const std::string clean = slash == std::string::npos ? path : path.substr(0, slash + 1);
  const std::size_t cut = clean.rfind('/');
  const std::string parent = cut == std::string::npos ? "." : clean.substr(0, cut + 1);
  Result<LocalDir> above = LocalDir::open(parent, LocalDir::Missing::create);
  if (!above) {
    return above.error();
  }
  const std::string name = cut == std::string::npos ? clean : clean.substr(cut + 1);
  if (name.empty() || name == "." || name == "..") {
    return {};
  }
  if (::mkdirat(above->fd(), name.c_str(), modes.directory) != 0) {
    const int number = errno;
    const std::string what = "cannot make the directory '" + path + "'";
    return number == EEXIST                      ? Status()
           : number == EACCES || number == EPERM ? system_error(what, number)
                                                 : system_error(ErrorClass::create, what, number);
  }
  return above->sync();
}

}  // namespace

Result<std::unique_ptr<LogFiles>> open_log_files(const std::string& path, bool create,
                                                 std::optional<LogModes> modes) {
  if (create) {
    if (Status made = make_directory(path, modes.value_or(LogModes{})); !made) {
      return made.error();
    }
  }
  Result<LocalDir> dir = LocalDir::open(path, LocalDir::Missing::fail);
  if (!dir) {
    return dir.error();
  }
  if (!modes) {
    struct stat info {};
    if (::fstat(dir->fd(), &info) != 0) {
      return system_error("cannot open the directory '" + path + "'", errno);
    }
    modes = LogModes{info.st_mode & 0777, true};
  }
  return std::unique_ptr<LogFiles>(std::make_unique<SystemFiles>(std::move(*dir), *modes));
}

}  // namespace fl
