// The spooldir source as acknowledgements come: progress, finished files, and the end.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {

Status SpooldirSource::acked(std::uint64_t n) {
  if (n <= acked_) {
    return {};
  }
  acked_ = n;
  return settle();
}

/// Brings files and tracker to the state that acked_ allows.
Status SpooldirSource::settle() {
  while (!in_flight_.empty() && in_flight_.front().read && acked_ >= in_flight_.front().end) {
    InFlight& file = in_flight_.front();
    if (!file.failed) {
      if (Status status = complete(file); !status) {
        fail_file(file, status.error());
      }
    }
    if (Status status = forget_mark(file); !status) {
      return status;
    }
    in_flight_.pop_front();
  }
  if (!in_flight_.empty() && acked_ > in_flight_.front().first && !in_flight_.front().failed) {
    if (Status status = record_progress(in_flight_.front()); !status) {
      return status;
    }
  }
  // The newest checkpoint that is not ahead stays: the search for a place begins there.
  while (checkpoints_.size() > 1 && checkpoints_[1].events <= acked_) {
    checkpoints_.pop_front();
  }
  return {};
}

/// All events of the file are acknowledged.
Status SpooldirSource::complete(const InFlight& file) {
  auto directory = directory_of(file.path);
  if (!directory) {
    return directory.error();
  }
  const std::string name(base_name(file.path));
  struct stat info {};
  if (::fstatat(directory->fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) {
      log(LogLevel::warning, "'" + absolute(file.path) + "' went away after it was read");
      ++completed_;
      return {};
    }
    return system_error(ErrorClass::io, "cannot look at '" + absolute(file.path) + "'", errno);
  }
  if (!(Identity::of(info) == file.identity)) {
    return Error{ErrorClass::input,
                 "'" + absolute(file.path) + "' changed after it was read; it stays",
                 "move a file into the directory when it is complete"};
  }
  if (options_.delete_policy == "immediate") {
    if (Status status = directory->remove(name); !status) {
      return status;
    }
  } else if (renames()) {
    const auto renamed = directory->rename(name, name + options_.file_suffix);
    if (!renamed) {
      return renamed.error();
    }
    if (!*renamed) {
      return name_taken(file.path);
    }
  } else {
    auto where = tracker_dir_->below(parent_of(file.path), LocalDir::Missing::create);
    if (!where) {
      return where.error();
    }
    auto marker = where->create_file(name + options_.file_suffix);
    if (!marker) {
      return marker.error();
    }
  }
  ++completed_;
  return {};
}

/// The tracker file names this file: it is of no use any more.
Status SpooldirSource::forget_mark(const InFlight& file) {
  if (file.failed || tracked_ != file.path) {
    return {};
  }
  tracked_.clear();
  return tracker_->remove();
}

/// A part of the oldest file's events is acknowledged.
Status SpooldirSource::record_progress(const InFlight& file) {
  const auto offset = offset_of(file, acked_);
  if (!offset) {
    fail_file(in_flight_.front(), offset.error());
    return {};
  }
  tracked_ = file.path;
  return tracker_->store(
      {utf8_escaped(absolute(file.path)), *offset, file.identity.size, file.identity.mtime_ns});
}

/// The byte behind the file's last event below number `events`.
Result<std::uint64_t> SpooldirSource::offset_of(const InFlight& file, std::uint64_t events) {
  Checkpoint from{file.first, file.start_offset};
  for (const Checkpoint& checkpoint : checkpoints_) {
    if (checkpoint.events > events) {
      break;
    }
    if (checkpoint.events > file.first) {
      from = checkpoint;
    }
  }
  if (from.events == events) {
    return from.offset;
  }
  auto fd = open_file(file.path);
  if (!fd) {
    return fd.error();
  }
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0 || !(Identity::of(info) == file.identity)) {
    return Error{ErrorClass::input,
                 "'" + absolute(file.path) + "' changed while it was read; it stays",
                 "move a file into the directory when it is complete"};
  }
  finder_->start(std::move(*fd), from.offset);
  for (; from.events < events; ++from.events) {
    if (finder_->peek() != LineFile::Next::event) {
      finder_->stop();
      return Error{ErrorClass::input, "'" + absolute(file.path) + "' is shorter than it was"};
    }
    finder_->accept();
  }
  finder_->stop();
  return finder_->offset();
}

void SpooldirSource::fail_file(InFlight& file, const Error& error) {
  if (file.failed) {
    return;
  }
  file.failed = true;
  failed_.insert(file.path);
  if (!failure_) {
    failure_ = error.kind;
  }
  log(error);
}

// ---------------------------------------------------------------- end

Status SpooldirSource::close() {
  if (!root_ || dry_run_ || !tracker_) {
    return {};
  }
  if (!scanned_ && options_.once && !stopped_) {
    return {};  // open() failed, or nothing was asked for
  }
  if (Status status = tracker_->sync(); !status) {
    return status;
  }
  if (Status status = root_->sync(); !status) {
    return status;
  }
  lock_.reset();
  std::size_t open_files = in_flight_.size();
  for (const InFlight& file : in_flight_) {
    open_files -= file.failed ? 1 : 0;
  }
  const std::size_t unfinished = queue_.size() + open_files;
  if (options_.once && (unfinished != 0 || (stopped_ && !scanned_))) {
    return Error{ErrorClass::again,
                 "stopped with " + (scanned_ ? std::to_string(unfinished) : std::string("all")) +
                     (unfinished == 1 ? " file" : " files") + " left",
                 "the next run goes on there"};
  }
  if (failure_) {
    return Error{*failure_, std::to_string(failed_.size()) +
                                (failed_.size() == 1 ? " file" : " files") +
                                " could not be completed"};
  }
  if (lines_->rejected() != 0) {
    return Error{ErrorClass::input,
                 std::to_string(lines_->rejected()) + " lines were rejected for their length",
                 "--max-line allows longer ones, --long-line split or truncate keeps them"};
  }
  return {};
}

std::string SpooldirSource::summary() const {
  if (!root_ || !scanned_) {
    return {};
  }
  const auto counted = [](std::uint64_t n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  std::size_t both = 0;  // failed files are in flight until their events are acknowledged
  for (const InFlight& file : in_flight_) {
    both += file.failed ? 1 : 0;
  }
  std::string text = counted(completed_, "file") + ", " + counted(acked_, "event") + ", " +
                     std::to_string(left() - both) + " left";
  if (lines_->long_lines() != 0) {
    text += ", " + counted(lines_->long_lines(), "line") + " longer than " +
            std::to_string(rules_.max_line) + " bytes";
  }
  return text;
}

}  // namespace fl
