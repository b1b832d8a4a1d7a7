#include "tools/fl-channel/import_flume/file_window.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace fl {
namespace {

constexpr std::size_t kWindow = 256 << 10;

}  // namespace

Result<FileWindow> FileWindow::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!fd || ::fstat(fd.get(), &info) != 0) {
    return system_error("cannot open '" + path + "'", errno);
  }
  if (!S_ISREG(info.st_mode)) {
    return Error{ErrorClass::input, "'" + path + "' is not a regular file"};
  }
  return FileWindow(std::move(fd), path, static_cast<std::uint64_t>(info.st_size));
}

Result<std::string_view> FileWindow::at(std::uint64_t offset, std::size_t count) {
  if (offset >= size_) {
    return std::string_view();
  }
  count = static_cast<std::size_t>(std::min<std::uint64_t>(count, size_ - offset));
  if (offset < begin_ || offset + count > begin_ + bytes_.size()) {
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(count, kWindow), size_ - offset));
    begin_ = offset;
    bytes_.resize(wanted);
    if (wanted <= kWindow && bytes_.capacity() > 2 * kWindow) {
      bytes_.shrink_to_fit();
    }
    std::size_t got = 0;
    while (got < wanted) {
      const ssize_t n =
          ::pread(fd_.get(), bytes_.data() + got, wanted - got, static_cast<off_t>(offset + got));
      if (n < 0 && errno == EINTR) {
        continue;
      }
      if (n < 0) {
        const int number = errno;
        bytes_.clear();
        return system_error(ErrorClass::io, "cannot read '" + path_ + "'", number);
      }
      if (n == 0) {
        break;  // it was cut meanwhile
      }
      got += static_cast<std::size_t>(n);
    }
    bytes_.resize(got);
  }
  return std::string_view(bytes_).substr(static_cast<std::size_t>(offset - begin_), count);
}

}  // namespace fl
