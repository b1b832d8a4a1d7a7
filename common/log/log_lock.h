// One holder for a log, one for each group: locked files that say who holds them.
#pragma once

#include <memory>
#include <string>

#include "common/base/error.h"
#include "common/log/log_files.h"

namespace fl {

/// Holds a lock (flock) on an open file until it is destroyed, and its holder's text in that file.
class LogLock {
 public:
  LogLock() = default;
  /// Locks `file`, which is `name`. The text is written at `offset`. Errors: class again, with who
  /// holds it: "'DIR' is written by PID on HOST, since TIME (PROGRAM)"; `what` are the words before
  /// "by".
  static Result<LogLock> take(LogFiles& files, std::unique_ptr<LogFile> file,
                              const std::string& name, std::uint64_t offset,
                              const std::string& what);
  LogFile& file() const { return *file_; }
  explicit operator bool() const { return file_ != nullptr; }
  void release() { file_.reset(); }

 private:
  std::unique_ptr<LogFile> file_;
};

/// Who holds the lock whose text is at `offset` of `file`: "PID on HOST, since TIME (PROGRAM)".
std::string lock_holder(LogFile& file, std::uint64_t offset);

/// Class config if the directory is on a network file system, where locks and syncs do not keep
/// what they promise here.
Status check_file_system(LogFiles& files);

}  // namespace fl
