// Notices new files in a spool directory by inotify(7).
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/unique_fd.h"

namespace fl {

/// Watches a directory and those below it that are given to watch(). Without inotify (no more
/// instances or watches allowed), and on file systems that others change behind the kernel's back,
/// it is not complete(): the directory must then be looked at again and again.
class SpoolWatch {
 public:
  /// What happened since the last call.
  struct File {
    std::string path;      ///< relative
    bool written = false;  ///< somebody had it open for writing and closed it
  };
  struct Changes {
    std::vector<File> files;  ///< a file may be there several times
    bool rescan = false;      ///< events were lost, or a directory came, moved or went
    /// A directory next to the root was removed, or the root itself was removed or renamed.
    bool removed = false;
  };

  /// `directories`: those that come are of interest too. False: inotify cannot be used; the reason
  /// is logged.
  bool start(bool directories);
  /// Watches the directory `fd`, which is `prefix` below the root ("" is the root itself). Called
  /// before its entries are listed, nothing is missed. Again for the same directory is fine.
  void watch(int fd, const std::string& prefix);
  /// True if everything that happens is noticed.
  bool complete() const { return fd_ && complete_; }
  /// Readable when something happened; -1 without inotify.
  int fd() const { return fd_.get(); }
  Changes take();

 private:
  UniqueFd fd_;
  bool directories_ = false;
  bool complete_ = true;
  bool warned_ = false;
  int parent_ = -1;  // watch descriptor of the directory that the root is in
  std::unordered_map<int, std::string> prefixes_;  // by watch descriptor
};

}  // namespace fl
