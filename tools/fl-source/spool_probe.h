// What the system says of a file in a spool directory before it is read.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>

#include "common/io/writers.h"

namespace fl {

/// What must be the same for a file to be the one that was opened.
struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t size = 0;
  std::int64_t mtime_ns = 0;

  static Identity of(const struct stat& info) {
    return {info.st_dev, info.st_ino, info.st_size,
            std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
  }
  friend bool operator==(const Identity&, const Identity&) = default;
};

/// Milliseconds since the file was changed, by the wall clock; by the time of the last change of
/// its inode where the other lies in the future. At least 0.
std::int64_t age_ms(const struct stat& info);

/// 0, or the errno with which renaming or removing the file `info` in `directory` would fail:
/// EACCES for a directory that we may not write, EPERM for another user's file in another user's
/// sticky directory.
int rename_refusal(int directory, const struct stat& info);

}  // namespace fl
