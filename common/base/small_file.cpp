#include "common/base/small_file.h"

#include <unistd.h>

#include <cerrno>

namespace fl {

Result<std::string> read_small_file(int fd, const std::string& path, std::size_t limit) {
  std::string text(limit + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t n = ::read(fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return system_error("cannot read '" + path + "'", errno);
    }
    if (n == 0) {
      break;
    }
    size += static_cast<std::size_t>(n);
  }
  text.resize(size);
  return text;
}

}  // namespace fl
