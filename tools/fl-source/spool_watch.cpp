#include "tools/fl-source/spool_watch.h"

#include <limits.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "common/base/error.h"
#include "common/base/log.h"
#include "tools/fl-source/spool_probe.h"

namespace fl {
namespace {

constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

void warn(const char* what, int number) {
  const Error error = system_error(what, number);
  log(LogLevel::warning, error.message + "; looking for new files every --poll-delay instead");
}

}  // namespace

bool SpoolWatch::start(bool directories) {
  directories_ = directories;
  fd_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd_) {
    warn("cannot use inotify", errno);
  }
  return static_cast<bool>(fd_);
}

void SpoolWatch::watch(int fd, const std::string& prefix) {
  if (!fd_) {
    return;
  }
  if (complete_ && !is_local_file_system(fd)) {
    complete_ = false;  // others may put files there without this kernel's knowing
  }
  // By its descriptor: the path may lead somewhere else by now.
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), kEvents);
  if (watch >= 0) {
    prefixes_[watch] = prefix;
    if (prefix.empty() && parent_ < 0) {
      // A directory that somebody has open, as we do, does not say that it was removed.
      parent_ = ::inotify_add_watch(fd_.get(), (path + "/..").c_str(),
                                    IN_DELETE | IN_ONLYDIR | IN_MASK_CREATE);
    }
    return;
  }
  complete_ = false;
  if (!warned_) {
    warned_ = true;
    warn("cannot watch a directory (see fs.inotify.max_user_watches)", errno);
  }
}

SpoolWatch::Changes SpoolWatch::take() {
  Changes changes;
  alignas(inotify_event) char buffer[16 << 10];
  while (fd_) {
    const ssize_t size = ::read(fd_.get(), buffer, sizeof buffer);
    if (size <= 0) {
      if (size < 0 && errno == EINTR) {
        continue;
      }
      break;
    }
    for (const char* p = buffer; p < buffer + size;) {
      inotify_event event{};
      std::memcpy(&event, p, sizeof event);
      const char* const name = p + sizeof event;
      p += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        changes.rescan = true;
        continue;
      }
      if (event.wd == parent_) {
        changes.removed = changes.removed || (event.mask & IN_ISDIR) != 0;
        continue;
      }
      const auto found = prefixes_.find(event.wd);
      if (found == prefixes_.end()) {
        continue;
      }
      const std::string& prefix = found->second;
      if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) != 0) {
        changes.removed = changes.removed || prefix.empty();
        if (!prefix.empty()) {
          if ((event.mask & IN_MOVE_SELF) != 0) {
            (void)::inotify_rm_watch(fd_.get(), event.wd);  // it is watched anew where it is now
          }
          prefixes_.erase(found);
          changes.rescan = true;
        }
        continue;
      }
      if ((event.mask & IN_ISDIR) != 0) {
        changes.rescan = changes.rescan || directories_;
      } else if (event.len != 0) {
        const std::string_view text(name, ::strnlen(name, event.len));
        changes.files.push_back(
            {prefix.empty() ? std::string(text) : prefix + "/" + std::string(text),
             (event.mask & IN_CLOSE_WRITE) != 0});
      }
    }
    if (changes.files.size() >= (1 << 14)) {
      break;  // the rest with the next call; it stays readable
    }
  }
  return changes;
}

}  // namespace fl
