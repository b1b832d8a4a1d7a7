#include "common/io/write_end.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "common/io/poll_set.h"

namespace fl {

WriteEnd::WriteEnd(UniqueFd fd) : fd_(std::move(fd)) {
  struct stat info {};
  if (fstat(fd_.get(), &info) != 0) {
    return;
  }
  if (S_ISFIFO(info.st_mode)) {
    kind_ = Kind::pipe;
    const int size = fcntl(fd_.get(), F_GETPIPE_SZ);
    pipe_size_ = size > 0 ? static_cast<std::size_t>(size) : 65536;
    const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
    own_.reset(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  } else if (S_ISSOCK(info.st_mode)) {
    kind_ = Kind::socket;
  } else if (S_ISREG(info.st_mode)) {
    kind_ = Kind::file;
  } else if (isatty(fd_.get()) != 0) {
    kind_ = Kind::terminal;
  }
}

std::ptrdiff_t WriteEnd::write_some(const void* data, std::size_t size) {
  ssize_t n = 0;
  if (kind_ == Kind::socket) {
    n = send(fd_.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  } else if (own_) {
    n = write(own_.get(), data, size);
  } else {
    if (kind_ == Kind::pipe || kind_ == Kind::terminal) {
      const short now = poll_now(fd_.get(), POLLOUT);
      if ((now & (POLLOUT | POLLERR)) == 0) {
        return 0;
      }
      size = std::min<std::size_t>(size, PIPE_BUF);
    }
    n = write(fd_.get(), data, size);
  }
  if (n >= 0) {
    return n;
  }
  return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

void WriteEnd::grow(std::size_t size) {
  if (kind_ == Kind::pipe && pipe_size_ < size) {
    if (fcntl(fd_.get(), F_SETPIPE_SZ, static_cast<int>(size)) > 0) {
      pipe_size_ = size;
    }
  }
}

std::size_t WriteEnd::unread() const {
  int bytes = 0;
  if (kind_ == Kind::pipe) {
    ioctl(fd_.get(), FIONREAD, &bytes);
  } else if (kind_ == Kind::socket) {
    ioctl(fd_.get(), SIOCOUTQ, &bytes);  // FIONREAD is always 0 on the writer's side
  }
  return static_cast<std::size_t>(bytes);
}

bool WriteEnd::reader_closed() const {
  return fd_ && (poll_now(fd(), 0) & (POLLERR | POLLHUP)) != 0;
}

Status WriteEnd::sync() {
  if (kind_ == Kind::file && fdatasync(fd_.get()) != 0 && errno != EINVAL && errno != EROFS) {
    return system_error(ErrorClass::io, "cannot sync the output", errno);
  }
  return {};
}

void WriteEnd::close() {
  own_.reset();
  fd_.reset();
}

}  // namespace fl
