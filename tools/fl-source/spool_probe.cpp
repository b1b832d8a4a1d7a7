#include "tools/fl-source/spool_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/clock.h"

namespace fl {

std::int64_t age_ms(const struct stat& info) {
  const auto ms = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1000 + time.tv_nsec / 1'000'000;
  };
  const std::int64_t now = wall_ms();
  const std::int64_t changed = ms(info.st_mtim) <= now ? ms(info.st_mtim) : ms(info.st_ctim);
  return std::max<std::int64_t>(now - changed, 0);
}

int rename_refusal(int directory, const struct stat& info) {
  if (::faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return errno;
  }
  struct stat folder {};
  if (::fstat(directory, &folder) != 0) {
    return errno;
  }
  const uid_t user = ::geteuid();
  return (folder.st_mode & S_ISVTX) != 0 && user != 0 && user != folder.st_uid &&
                 user != info.st_uid
             ? EPERM
             : 0;
}

}  // namespace fl
