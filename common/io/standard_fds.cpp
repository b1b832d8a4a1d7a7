#include "common/io/standard_fds.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace fl {

void occupy_standard_fds() {
  // Each the wrong way round: what nobody gave cannot be read or written.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      const int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
      if (got >= 0 && got != fd) {
        close(got);
      }
    }
  }
}

Status check_writable(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
    return Error{ErrorClass::io, "cannot write the output: stdout is closed", {}};
  }
  return {};
}

}  // namespace fl
