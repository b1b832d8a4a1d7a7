#include "tools/fl-source/spool_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>

namespace fl {
namespace {

// When the process was started; 0: cannot tell.
std::time_t start_of(long pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // The name, in brackets, may hold anything; the 20th word after it is the start in ticks since
  // boot.
  const std::size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) {
    return 0;
  }
  std::istringstream words(text.substr(bracket + 1));
  std::string word;
  for (int i = 0; i < 19; ++i) {
    words >> word;
  }
  long long ticks = 0;
  timespec now{};
  timespec up{};
  const long per_second = ::sysconf(_SC_CLK_TCK);
  if (!(words >> ticks) || per_second <= 0 || ::clock_gettime(CLOCK_REALTIME, &now) != 0 ||
      ::clock_gettime(CLOCK_BOOTTIME, &up) != 0) {
    return 0;
  }
  return now.tv_sec - up.tv_sec + static_cast<std::time_t>(ticks / per_second);
}

// Takes a lock or says who has it. `name`: what is locked, for messages.
Status lock(int fd, const std::string& name) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    return {};
  }
  if (errno == EWOULDBLOCK) {
    return Error{ErrorClass::again, "'" + name + "' is locked by " + lock_holder(fd)};
  }
  return system_error(ErrorClass::io, "cannot lock '" + name + "'", errno);
}

Result<UniqueFd> open_lock_file(const LocalDir& directory) {
  UniqueFd fd(::openat(directory.fd(), SpoolLock::kFileName,
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666));
  if (!fd) {
    return system_error(
        "cannot open the lock file '" + directory.path_of(SpoolLock::kFileName) + "'", errno);
  }
  return fd;
}

}  // namespace

std::string lock_holder(int fd) {
  const std::string unknown = "another process";
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    return unknown;
  }
  std::ifstream locks("/proc/locks");
  std::string line;
  while (std::getline(locks, line)) {
    // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:131074 0 EOF
    std::array<char, 16> kind{};
    long pid = 0;
    unsigned major_number = 0;
    unsigned minor_number = 0;
    unsigned long long inode = 0;
    if (std::sscanf(line.c_str(), "%*d: %15s %*s %*s %ld %x:%x:%llu", kind.data(), &pid,
                    &major_number, &minor_number, &inode) != 5 ||
        std::string(kind.data()) != "FLOCK" || inode != info.st_ino || pid <= 0 ||
        major_number != major(info.st_dev) || minor_number != minor(info.st_dev)) {
      continue;
    }
    std::string text = std::to_string(pid);
    const std::time_t start = start_of(pid);
    std::tm local{};
    std::array<char, 32> when{};
    if (start != 0 && ::localtime_r(&start, &local) != nullptr &&
        std::strftime(when.data(), when.size(), "%Y-%m-%d %H:%M:%S", &local) != 0) {
      text += std::string(", since ") + when.data();
    }
    return text;
  }
  return unknown;
}

Status SpoolLock::take(const LocalDir& spool, const LocalDir& tracker, const std::string& name) {
  spool_.reset(::openat(spool.fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!spool_) {
    return system_error("cannot open the directory '" + name + "'", errno);
  }
  Status status = lock(spool_.get(), name);
  if (!status && status.error().kind != ErrorClass::again) {
    // NFS, for one, locks only what is open for writing, which no directory can be.
    if (auto file = open_lock_file(spool)) {
      spool_ = std::move(*file);
      status = lock(spool_.get(), name);
    } else {
      status = {};  // not ours to write: the lock on the tracker directory has to do
    }
  }
  if (!status) {
    return status;
  }
  struct stat here {};
  struct stat there {};
  auto file = open_lock_file(tracker);
  if (!file) {
    return file.error();
  }
  tracker_ = std::move(*file);
  if (::fstat(spool_.get(), &here) == 0 && ::fstat(tracker_.get(), &there) == 0 &&
      here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
    return {};  // the same file, locked above
  }
  return lock(tracker_.get(), tracker.path());
}

void SpoolLock::release() {
  tracker_.reset();
  spool_.reset();
}

}  // namespace fl
