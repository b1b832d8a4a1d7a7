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
  const bool was_full = is_full();
  const Status status = settle();
  if (was_full && !is_full()) {
    wake_at_ms_ = monotonic_ms();
  }
  return status;
}

Status SpooldirSource::handle(const PollSet& set) {
  const Status status = Source::handle(set);
  return status && waits_for_rejects_ ? settle() : status;
}

/// Brings files and tracker to the state that acked_ allows.
Status SpooldirSource::settle() {
  if (rejects_ != nullptr) {
    // Before the rejected lines are on disk no file must be completed.
    const Result<bool> synced = rejects_->synced();
    if (!synced) {
      return synced.error();
    }
    waits_for_rejects_ = !*synced;
    if (waits_for_rejects_) {
      return {};
    }
  }
  while (!in_flight_.empty() && in_flight_.front().read && acked_ >= in_flight_.front().end) {
    InFlight& file = in_flight_.front();
    if (!file.failed) {
      if (Status status = complete(file.path, file.identity); !status) {
        fail_in_flight(file, status.error());
        if (status.error().kind != ErrorClass::input) {
          // Delivered nevertheless: the next run must not do it again.
          file.delivered = true;
          if (Status noted = ledger_->add_unsettled(file.path, file.identity); !noted) {
            log(noted.error());
          }
        }
      }
    }
    if (Status status = forget_mark(file); !status) {
      return status;
    }
    known_.erase(file.path);
    if (finder_path_ == file.path) {
      finder_->stop();
    }
    in_flight_.pop_front();
  }
  if (!in_flight_.empty() && acked_ > in_flight_.front().first && !in_flight_.front().failed &&
      !in_flight_.front().incomplete) {
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

Error SpooldirSource::name_taken(std::string_view path) const {
  return {ErrorClass::io,
          "cannot rename '" + absolute(path) + "': '" + std::string(base_name(path)) +
              options_.file_suffix + "' exists",
          "a file of the same name was delivered before; move one of them away"};
}

Error SpooldirSource::changed(std::string_view path, std::string_view when) const {
  return {ErrorClass::input, "'" + absolute(path) + "' changed " + std::string(when) + "; it stays",
          "move a file into the directory when it is complete"};
}

/// All events of the file are acknowledged. Class input: it is not the file that was read.
Status SpooldirSource::complete(const std::string& path, const Identity& identity) {
  std::optional<LocalDir> opened;
  const auto found = directory_of(path, opened);
  if (!found) {
    return found.error();
  }
  const LocalDir* const directory = *found;
  const std::string name(base_name(path));
  struct stat info {};
  if (::fstatat(directory->fd(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) {
      log(LogLevel::warning, "'" + absolute(path) + "' went away after it was read");
      ++completed_;
      return {};
    }
    return system_error(ErrorClass::io, "cannot stat '" + absolute(path) + "'", errno);
  }
  if (!(Identity::of(info) == identity)) {
    return changed(path, "after it was read");
  }
  if (options_.delete_policy == "immediate") {
    // What a writer adds after this could not even be noticed.
    const UniqueFd fd(
        ::openat(directory->fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (fd && find_writers(fd.get()) == Writers::some) {
      return Error{ErrorClass::input,
                   "'" + absolute(path) + "' was opened for writing after it was read; it stays",
                   "move a file into the directory when it is complete"};
    }
    if (Status status = directory->remove(name); !status) {
      return status;
    }
  } else {
    if (Status status = rename_or_mark(*directory, path); !status) {
      return status;
    }
    remember_settled(path, identity);
  }
  ++completed_;
  return {};
}

Status SpooldirSource::rename_or_mark(const LocalDir& directory, const std::string& path) {
  const std::string name(base_name(path));
  if (renames()) {
    const auto renamed = directory.rename(name, name + options_.file_suffix);
    if (!renamed) {
      return renamed.error();
    }
    return *renamed ? Status() : name_taken(path);
  }
  auto where = tracker_dir_->below(parent_of(path), LocalDir::Missing::create);
  if (!where) {
    return where.error();
  }
  auto marker = where->create_file(name + options_.file_suffix);
  return marker ? Status() : marker.error();
}

/// A writer that still has the file open may add to it.
void SpooldirSource::remember_settled(const std::string& path, const Identity& identity) {
  const auto oldest = ledger_->add_settled(final_path(path), identity);
  if (!oldest) {
    log(LogLevel::warning, oldest.error().message);  // of use, but nothing depends on it
  } else if (*oldest) {
    check_settled(**oldest);
  }
}

/// True, and reported: the file grew after it was delivered, or, where files keep their names,
/// another one has its name.
bool SpooldirSource::check_settled(const SpoolLedger::Record& record) {
  std::optional<LocalDir> opened;
  const auto directory = directory_of(record.path, opened);
  struct stat info {};
  if (!directory || ::fstatat((*directory)->fd(), std::string(base_name(record.path)).c_str(),
                              &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return false;  // it may be moved away: what was read of it is delivered
  }
  const bool is_another = info.st_ino != record.identity.inode;
  if (is_another ? renames() : info.st_size <= record.identity.size) {
    return false;
  }
  ++failures_;
  if (!failure_) {
    failure_ = ErrorClass::input;
  }
  if (is_another) {
    log(Error{ErrorClass::input,
              "'" + absolute(record.path) +
                  "' is another file than the one of this name that was delivered, and not read",
              "rename it: with --tracking-policy tracker_dir each name is delivered once"});
    return true;
  }
  log(Error{ErrorClass::input,
            "'" + absolute(record.path) + "' grew after it was delivered: the " +
                count_of(static_cast<std::uint64_t>(info.st_size - record.identity.size), "byte") +
                " after byte " + std::to_string(record.identity.size) + " are not delivered",
            "tail -c +" + std::to_string(record.identity.size + 1) +
                " shows them; move a file into the directory when it is complete"});
  return true;
}

/// The tracker file names this file: it is of no use any more.
Status SpooldirSource::forget_mark(const InFlight& file) {
  if ((file.failed && !file.delivered) || tracked_ != file.path) {
    return {};
  }
  tracked_.clear();
  return tracker_->remove();
}

/// A part of the oldest file's events is acknowledged.
Status SpooldirSource::record_progress(InFlight& file) {
  const auto offset = offset_of(file, acked_);
  if (!offset) {
    fail_in_flight(file, offset.error());
    return {};
  }
  tracked_ = file.path;
  return tracker_->store({utf8_escaped(absolute(file.path)), *offset, file.identity.size,
                          file.identity.mtime_ns, form(file.compression).name()});
}

/// The byte of the text after the file's last event below number `events`.
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
  if (!finder_->started() || finder_path_ != file.path || finder_events_ > events ||
      finder_events_ < file.first) {
    finder_->stop();
    if (Status status = start_finder(file); !status) {
      return status.error();
    }
  }
  struct stat info {};
  if (::fstat(finder_->fd(), &info) != 0 || !(Identity::of(info) == file.identity)) {
    finder_->stop();
    return changed(file.path, "while it was read");
  }
  Status status;
  if (from.events > finder_events_) {
    status = finder_->skip_to(from.offset);
    finder_events_ = from.events;
  }
  while (status && finder_events_ < events) {
    const LineFile::Next next = finder_->peek();
    if (next == LineFile::Next::event) {
      finder_->accept();
      ++finder_events_;
    } else if (next == LineFile::Next::end) {
      status = Error{ErrorClass::input, "'" + absolute(file.path) + "' is shorter than it was"};
    } else {
      status = finder_->error();
    }
  }
  if (!status) {
    finder_->stop();
    return status.error();
  }
  return finder_->offset();
}

Status SpooldirSource::start_finder(const InFlight& file) {
  auto fd = open_file(file.path);
  if (!fd) {
    return fd.error();
  }
  auto text = SpoolText::open(std::move(*fd), absolute(file.path), form(file.compression));
  if (!text) {
    return text.error();
  }
  finder_path_ = file.path;
  finder_events_ = file.first;
  return finder_->start(std::move(*text), file.start_offset);
}

void SpooldirSource::fail_in_flight(InFlight& file, const Error& error) {
  if (!file.failed) {
    file.failed = true;
    fail(file.path, error);
  }
}

void SpooldirSource::fail(const std::string& path, const Error& error) {
  failed_.insert(path);
  ++failures_;
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
  if (waits_for_rejects_) {
    if (Status status = settle(); !status) {
      return status;
    }
  }
  finder_->stop();
  if (Status status = tracker_->sync(); !status) {
    return status;
  }
  if (Status status = root_->sync(); !status) {
    return status;
  }
  ledger_->remove_settled(
      [this](const SpoolLedger::Record& record) { return check_settled(record); });
  if (Status status = ledger_->save(); !status) {
    return status;
  }
  lock_.release();
  if (options_.once && (unread() != 0 || (stopped_ && !scanned_))) {
    return Error{ErrorClass::again,
                 "stopped with " + (scanned_ ? count_of(unread(), "file") : "all files") + " left",
                 "the next run continues from there"};
  }
  if (failure_) {
    return Error{*failure_, count_of(failures_, "file") + " could not be completed"};
  }
  if (lines_->rejected() != 0) {
    return Error{ErrorClass::input, count_of(lines_->rejected(), "line") + " rejected: too long",
                 "--reject FILE keeps such lines aside, --long-line split delivers them"};
  }
  return {};
}

/// Files that wait or are not wholly acknowledged, without those that failed.
std::size_t SpooldirSource::unread() const {
  return queue_.size() +
         static_cast<std::size_t>(std::count_if(in_flight_.begin(), in_flight_.end(),
                                                [](const InFlight& file) { return !file.failed; }));
}

std::string SpooldirSource::summary() const {
  if (!root_ || !scanned_) {
    return {};
  }
  // A job of cron that finds nothing sends no mail.
  if (options_.once && !terminal_ && completed_ == 0 && acked_ == 0 && unread() == 0 &&
      failed_.empty() && unfinished_.empty()) {
    return {};
  }
  std::string text = count_of(completed_, "file") + ", " + count_of(acked_, "event") + ", " +
                     std::to_string(unread() + failed_.size()) + " left";
  if (!unfinished_.empty()) {
    text += ", " + count_of(unfinished_.size(), "file") + " still being written";
  }
  if (lines_->long_lines() != 0) {
    text += ", " + count_of(lines_->long_lines(), "line") + " longer than " +
            std::to_string(rules_.max_line) + " bytes";
  }
  if (malformed_ != 0) {
    text += ", " + count_of(malformed_, "malformed character");
  }
  return text;
}

}  // namespace fl
