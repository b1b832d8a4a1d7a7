// One spooldir source for one directory.
#pragma once

#include <string>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/local_dir.h"

namespace fl {

/// Locks a spool directory and a tracker directory until it is destroyed. The lock is on the spool
/// directory itself, so that sources with different tracker directories exclude each other; the
/// one on the tracker directory keeps sources of different spool directories from sharing it.
class SpoolLock {
 public:
  static constexpr const char* kFileName = ".flumespool.lock";

  /// `name`: of the spool directory, for messages. Class again: "'DIR' is locked by PID, since
  /// WHEN".
  Status take(const LocalDir& spool, const LocalDir& tracker, const std::string& name);
  void release();

 private:
  UniqueFd spool_;
  UniqueFd tracker_;
};

/// "1234, since 2026-01-31 12:00:00" of the process with a flock(2) on the same file as `fd`;
/// "another process" where the system does not show it.
std::string lock_holder(int fd);

}  // namespace fl
