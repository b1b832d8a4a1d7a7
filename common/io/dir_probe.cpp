#include "common/io/dir_probe.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

namespace fl {
namespace {

// File systems in which nobody makes files, whatever the mode bits tell root.
bool takes_no_files(const std::string& path) {
  struct statfs info {};
  return ::statfs(path.c_str(), &info) == 0 &&
         (info.f_type == PROC_SUPER_MAGIC || info.f_type == SYSFS_MAGIC);
}

}  // namespace

Status check_dir_can_be_made(const std::string& path) {
  std::string nearest = path.empty() ? "." : path;
  struct stat info {};
  while (::stat(nearest.c_str(), &info) != 0) {
    if (errno != ENOENT) {
      return system_error("cannot open the directory '" + path + "'", errno);
    }
    while (nearest.size() > 1 && nearest.ends_with('/')) {
      nearest.pop_back();
    }
    const std::size_t slash = nearest.find_last_of('/');
    nearest = slash == std::string::npos ? "." : nearest.substr(0, slash == 0 ? 1 : slash);
  }
  if (!S_ISDIR(info.st_mode)) {
    return system_error("cannot open the directory '" + path + "'", ENOTDIR);
  }
  const bool is_there = nearest == path;
  const std::string refused =
      (is_there ? "cannot write in '" : "cannot make the directory '") + path + "'";
  if (::faccessat(AT_FDCWD, nearest.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    return errno == EROFS ? system_error(ErrorClass::create, refused, errno)
                          : system_error(refused, errno);
  }
  return takes_no_files(nearest) ? Status(system_error(ErrorClass::create, refused, ENOENT))
                                 : Status();
}

}  // namespace fl
