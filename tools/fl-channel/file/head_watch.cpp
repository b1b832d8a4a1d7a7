#include "tools/fl-channel/file/head_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include "common/log/format.h"

namespace fl {

void HeadWatch::start(const std::string& directory) {
  path_ = directory + "/" + kHeadName;
  if (!fd_) {
    fd_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  }
  // The same file again keeps its watch; another one that has its name now gets a new one.
  watch_ = fd_ ? ::inotify_add_watch(fd_.get(), path_.c_str(), IN_MODIFY) : -1;
  is_watching_ = watch_ >= 0;
}

void HeadWatch::take() {
  alignas(8) char events[4096];
  while (fd_ && ::read(fd_.get(), events, sizeof events) > 0) {}
}

}  // namespace fl
