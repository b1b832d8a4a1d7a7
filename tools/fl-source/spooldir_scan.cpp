// The spooldir source looks for files: all at the start, then those that come.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {

bool SpooldirSource::is_marked(std::string_view path) const {
  if (!marks() || !tracker_dir_) {
    return false;
  }
  struct stat info {};
  const std::string marker = std::string(path) + options_.file_suffix;
  return ::fstatat(tracker_dir_->fd(), marker.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

/// Fills the queue with what is new. Called before each file is opened, so that the order is that
/// of all files that are there.
Status SpooldirSource::look_for_files() {
  const bool due = poll_at_ms_ >= 0 && monotonic_ms() >= poll_at_ms_;
  if (!scanned_ || due || (queue_.empty() && more_to_scan_)) {
    return scan();
  }
  if (options_.once) {
    return {};
  }
  if (Status status = again_when_due(); !status) {
    return status;
  }
  return take_changes();
}

/// Looks at the whole directory.
Status SpooldirSource::scan() {
  const bool may_be_gone = watch_.take().removed || !options_.once;  // the scan finds the rest
  if (Status status = may_be_gone ? check_root() : Status(); !status) {
    return status;
  }
  std::set<std::string, std::less<>> still_failed;
  auto files = scanner_->list(
      *root_, tracker_dir_ ? tracker_dir_->fd() : -1,
      [&](std::string_view path) {
        if (failed_.contains(path)) {
          still_failed.emplace(path);
          return true;
        }
        const std::string name(path);
        return known_.contains(name) || unfinished_.contains(name) || is_marked(path);
      },
      [this](int fd, const std::string& path) { watch_.watch(fd, path); }, more_to_scan_);
  if (!files) {
    return files.error();
  }
  failed_ = std::move(still_failed);
  if (queue_.empty()) {
    for (SpoolFile& file : *files) {
      known_.insert(file.path);
      queue_.push_back(std::move(file));
    }
  } else {
    for (SpoolFile& file : *files) {
      add_file(std::move(file));
    }
  }
  if (!scanned_ && begun_) {
    const auto found = std::find_if(queue_.begin(), queue_.end(), [this](const SpoolFile& file) {
      return utf8_escaped(absolute(file.path)) == begun_->file;
    });
    if (found != queue_.end()) {
      SpoolFile first = std::move(*found);
      queue_.erase(found);
      queue_.push_front(std::move(first));
    } else if (!more_to_scan_) {
      // The file that the tracker names is gone, or is not ours any more.
      begun_.reset();
      if (Status status = dry_run_ ? Status() : tracker_->remove(); !status) {
        return status;
      }
    }
  }
  scanned_ = true;
  poll_at_ms_ = options_.once || watch_.complete()
                    ? -1
                    : monotonic_ms() + std::max<std::int64_t>(options_.poll_delay.ms, 1);
  return {};
}

/// Class io: the directory was removed, or no longer has its path.
Status SpooldirSource::check_root() const {
  struct stat there {};
  const bool is_gone = ::stat(root_path_.c_str(), &there) != 0 && errno == ENOENT;
  if (root_->exists() && !is_gone && !root_->is_replaced()) {
    return {};
  }
  return Error{
      ErrorClass::io,
      "the directory '" + options_.spool_dir + "' was " + (root_->exists() ? "renamed" : "removed"),
      "start again when it is there"};
}

Status SpooldirSource::take_changes() {
  SpoolWatch::Changes changes = watch_.take();
  if (Status status = changes.removed ? check_root() : Status(); !status) {
    return status;
  }
  for (const SpoolWatch::File& file : changes.files) {
    if (auto record = file.written ? ledger_->take_settled(file.path) : std::nullopt) {
      check_settled(*record);
    }
    unfinished_.erase(file.path);
    if (!file.written) {
      failed_.erase(file.path);  // another file has this name now
    }
    if (Status status = add_named(file.path); !status) {
      return status;
    }
  }
  return changes.rescan ? scan() : Status();
}

/// Takes the file, if it is ours and new.
Status SpooldirSource::add_named(const std::string& path) {
  if (known_.contains(path) || failed_.contains(path) || is_marked(path)) {
    return {};
  }
  auto file = scanner_->look(*root_, path);
  if (!file) {
    return file.error();
  }
  if (file->has_value()) {
    add_file(std::move(**file));
  }
  return {};
}

void SpooldirSource::add_file(SpoolFile file) {
  if (queue_.size() >= SpoolScan::kMaxFiles) {
    more_to_scan_ = true;  // found again when the queue is empty
    return;
  }
  known_.insert(file.path);
  queue_.insert(scanner_->place(queue_, file), std::move(file));
}

/// Files that were being written to, and whose time has come.
Status SpooldirSource::again_when_due() {
  if (options_.once || unfinished_.empty()) {
    return {};
  }
  const std::int64_t now = monotonic_ms();
  for (auto& [path, state] : unfinished_) {
    if (now >= state.due_ms && !known_.contains(path)) {
      if (Status status = add_named(path); !status) {
        return status;
      }
    }
  }
  std::erase_if(unfinished_, [&](const auto& entry) {
    return now >= entry.second.due_ms && !known_.contains(entry.first);  // it went away
  });
  return {};
}

/// When there may be something new that wait_fd() does not report; -1: never.
std::int64_t SpooldirSource::next_look_ms() const {
  std::int64_t at = poll_at_ms_;
  for (const auto& [path, state] : unfinished_) {
    at = at < 0 ? state.due_ms : std::min(at, state.due_ms);
  }
  return at;
}

}  // namespace fl
