#include "common/stage/open_out.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/io/standard_fds.h"

namespace fl {
namespace {

bool is_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool stat_input(const std::string& path, struct stat& info) {
  return (path == "-" ? ::fstat(STDIN_FILENO, &info) : ::stat(path.c_str(), &info)) == 0;
}

}  // namespace

Result<UniqueFd> open_out(const std::string& path, const std::vector<std::string>& inputs) {
  const bool is_stdout = path.empty() || path == "-";
  UniqueFd fd(is_stdout ? STDOUT_FILENO
                        : ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644));
  if (!fd) {
    return system_error(ErrorClass::create, "cannot open '" + path + "' for writing", errno);
  }
  if (Status status = check_writable(fd.get()); !status) {
    return status.error();
  }
  if (Status status = check_not_input(fd.get(), inputs); !status) {
    return status.error();
  }
  // A pipe or a device has nothing to empty.
  if (!is_stdout && ::ftruncate(fd.get(), 0) != 0 && errno != EINVAL) {
    return system_error(ErrorClass::io, "cannot empty '" + path + "'", errno);
  }
  return fd;
}

Status check_not_input(int fd, const std::vector<std::string>& inputs) {
  struct stat output {};
  if (::fstat(fd, &output) != 0 || !S_ISREG(output.st_mode)) {
    return {};
  }
  for (const std::string& input : inputs) {
    struct stat info {};
    if (stat_input(input, info) && is_same(info, output)) {
      return Error{ErrorClass::usage, "the output is also an input", {}};
    }
  }
  return {};
}

Status check_distinct(const std::vector<std::string>& paths) {
  for (std::size_t i = 0; i < paths.size(); ++i) {
    struct stat one {};
    const bool exists = ::stat(paths[i].c_str(), &one) == 0 && !S_ISCHR(one.st_mode);
    for (std::size_t k = 0; k < i; ++k) {
      struct stat other {};
      if (paths[i] == paths[k] ||
          (exists && ::stat(paths[k].c_str(), &other) == 0 && is_same(one, other))) {
        return Error{ErrorClass::usage, "--out '" + paths[i] + "' is given twice",
                     "each output needs a file or pipe of its own"};
      }
    }
  }
  return {};
}

}  // namespace fl
