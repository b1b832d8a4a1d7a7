#include "tools/fl-sink/hdfs/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "common/base/random.h"
#include "common/io/local_dir.h"

namespace fl {
namespace {

constexpr off_t kReserve = 2 << 20;

}  // namespace

Spool::Spool(std::string directory, std::uint64_t limit)
    : directory_(std::move(directory)), limit_(limit) {
  if (directory_.empty()) {
    const char* const tmp = std::getenv("TMPDIR");
    directory_ = tmp != nullptr && *tmp != '\0' ? tmp : "/var/tmp";
  }
}

Result<UniqueFd> Spool::create(int& number) const {
  UniqueFd fd(::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    const std::string name = directory_ + "/fl-spool." + random_hex(8);
    fd.reset(::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (fd) {
      (void)unlink(name.c_str());
    }
  }
  number = fd ? 0 : errno;
  if (!fd) {
    return system_error(ErrorClass::create, "cannot create a spool file in '" + directory_ + "'",
                        number);
  }
  return fd;
}

Status Spool::check() const {
  if (access(directory_.c_str(), W_OK | X_OK) != 0) {
    Error error = system_error(ErrorClass::create, "cannot spool in '" + directory_ + "'", errno);
    error.hint = "--spool-dir names another directory";
    return error;
  }
  return {};
}

Outcome SpoolFile::append(std::string& buffer) {
  int number = 0;
  const std::size_t done = write_some(fd_.get(), buffer, number);
  buffer.erase(0, done);
  length_ += done;
  if (!in_memory_) {
    spool_.used_.fetch_add(done, std::memory_order_relaxed);
  }
  if (number == 0) {
    return {};
  }
  const Error error = system_error(
      ErrorClass::io, "cannot write a spool file in '" + spool_.directory() + "'", number);
  return is_disk_full(number) ? Outcome::full(error) : Outcome::fail(error);
}

Outcome SpoolFile::write(std::string& buffer) {
  if (!fd_) {
    int number = 0;
    Result<UniqueFd> fd = spool_.create(number);
    if (!fd) {
      return is_disk_full(number) ? Outcome::full(fd.error()) : Outcome::fail(fd.error());
    }
    fd_ = std::move(*fd);
  }
  if (fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(length_),
                static_cast<off_t>(buffer.size()) + kReserve) != 0 &&
      is_disk_full(errno)) {
    return Outcome::full(system_error(
        ErrorClass::io, "cannot write a spool file in '" + spool_.directory() + "'", errno));
  }
  return append(buffer);
}

Outcome SpoolFile::complete(std::string& rest) {
  if (!fd_) {
    fd_.reset(memfd_create("fl-part", MFD_CLOEXEC));
    if (!fd_) {
      return write(rest);
    }
    in_memory_ = true;
  }
  return append(rest);
}

void SpoolFile::release() {
  fd_.reset();
  if (!in_memory_) {
    spool_.used_.fetch_sub(length_, std::memory_order_relaxed);
  }
  length_ = 0;
}

}  // namespace fl
