#include "common/log/log_error.h"

#include <fmt/format.h>

#include "common/base/log.h"
#include "common/io/local_dir.h"

namespace fl {

Error log_error(const LogFiles& files, const char* action, const std::string& name,
                std::int64_t result) {
  const std::string path = name.empty() ? files.path() : files.path() + "/" + name;
  Error error =
      system_error(fmt::format("cannot {} '{}'", action, path), static_cast<int>(-result));
  if (error.kind == ErrorClass::permission) {
    error.hint = fmt::format(
        "users who share a log need one group, and --mode 0770 with umask 002 when it is made; "
        "afterwards, as root: chmod -R g+rwX '{}'",
        files.path());
  }
  return error;
}

bool is_full(std::int64_t result) { return result < 0 && is_disk_full(static_cast<int>(-result)); }

void log_notice(const LogNotice& notice) { log(LogLevel::warning, notice.text); }

}  // namespace fl
