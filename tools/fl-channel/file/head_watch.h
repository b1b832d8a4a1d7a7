// Notices that a writer in another process has published more.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/unique_fd.h"

namespace fl {

/// Watches the file `head` of a log by inotify(7). Without inotify, and for what inotify does not
/// show (a recreated head), its user looks again after look_every_ms().
class HeadWatch {
 public:
  /// Watches DIR/head. Call it again after the file was recreated. Never fails: then it only polls.
  void start(const std::string& directory);
  /// Readable when the file was written; -1: it must be polled.
  int fd() const { return is_watching_ ? fd_.get() : -1; }
  /// Forgets what was noticed so far; to be called before the file is read.
  void take();
  std::int64_t look_every_ms() const { return is_watching_ ? 2'000 : 100; }

 private:
  std::string path_;
  UniqueFd fd_;
  int watch_ = -1;
  bool is_watching_ = false;
};

}  // namespace fl
