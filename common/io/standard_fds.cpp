#include "common/io/standard_fds.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace fl {

void occupy_standard_fds() {
  // Each the wrong way round: a descriptor that nobody gave cannot be read or written.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      const int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
      if (got >= 0 && got != fd) {
        close(got);
      }
    }
  }
}

bool is_same_file(int one, int other) {
  struct stat a {};
  struct stat b {};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

Status check_writable(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
    return Error{ErrorClass::io, "cannot write the output: stdout is closed", {}};
  }
  return {};
}

}  // namespace fl
