// The spooldir source from its start on: directories, lock, earlier progress, and the reading.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <unordered_set>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "tools/fl-source/spooldir_source.h"

namespace fl {
namespace {

constexpr const char* kLockFile = ".flumespool.lock";
/// Files read and not wholly acknowledged; each costs about 200 bytes.
constexpr std::size_t kMaxInFlight = 1 << 16;
constexpr std::int64_t kFullWaitMs = 50;

}  // namespace

// ---------------------------------------------------------------- start

Status SpooldirSource::open(const StageContext& context) {
  limits_ = context.limits;
  dry_run_ = context.dry_run;
  const TextOptions defaults;
  auto rules = line_rules(context.text != nullptr ? *context.text : defaults);
  if (!rules) {
    return rules.error();
  }
  rules_ = *rules;
  if (options_.max_line_length != 0) {
    rules_.max_line = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(options_.max_line_length, limits_.body_bytes));
  }
  lines_.emplace(rules_);
  finder_.emplace(rules_);
  if (options_.file_suffix.find('/') != std::string::npos ||
      (renames() && options_.file_suffix.empty())) {
    return Error{ErrorClass::usage,
                 "cannot use '" + options_.file_suffix + "' as the suffix of delivered files"};
  }
  auto scanner =
      SpoolScan::make({options_.file_suffix, options_.include_pattern, options_.ignore_pattern,
                       options_.consume_order, options_.recursive});
  if (!scanner) {
    return scanner.error();
  }
  scanner_.emplace(std::move(*scanner));
  if (Status status = open_directories(); !status) {
    return status;
  }
  if (dry_run_) {
    return {};
  }
  if (Status status = lock(); !status) {
    return status;
  }
  return load_tracker();
}

Status SpooldirSource::open_directories() {
  auto root = LocalDir::open(options_.spool_dir, LocalDir::Missing::fail);
  if (!root) {
    return Error{root.error().kind, root.error().message,
                 "make the directory first, or name another one"};
  }
  root_.emplace(std::move(*root));
  root_path_ = options_.spool_dir;
  if (!root_path_.starts_with('/')) {
    char here[PATH_MAX];
    if (::getcwd(here, sizeof here) == nullptr) {
      return system_error(ErrorClass::io, "cannot get the current directory", errno);
    }
    root_path_ = std::string(here) == "/" ? "/" + root_path_ : std::string(here) + "/" + root_path_;
  }
  while (root_path_.size() > 1 && root_path_.ends_with('/')) {
    root_path_.pop_back();
  }
  if (root_path_ == "/") {
    root_path_.clear();
  }
  if (!marks() && ::faccessat(root_->fd(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    Error error =
        system_error("cannot rename or delete files in '" + options_.spool_dir + "'", errno);
    error.hint = "--tracking-policy tracker_dir reads a directory without writing to it";
    return error;
  }
  if (dry_run_) {
    return {};
  }
  const std::string& name = options_.tracker_dir;
  auto tracker = name.starts_with('/') ? LocalDir::open(name, LocalDir::Missing::create)
                                       : root_->below(name, LocalDir::Missing::create);
  if (!tracker) {
    return tracker.error();
  }
  tracker_dir_.emplace(std::move(*tracker));
  tracker_.emplace(*tracker_dir_);
  return {};
}

Status SpooldirSource::lock() {
  const std::string path = tracker_dir_->path_of(kLockFile);
  lock_.reset(::openat(tracker_dir_->fd(), kLockFile,
                       O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666));
  if (!lock_) {
    return system_error("cannot open the lock file '" + path + "'", errno);
  }
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Error{ErrorClass::again,
                   "'" + options_.spool_dir + "' is locked by another spooldir source"};
    }
    return system_error(ErrorClass::io, "cannot lock '" + path + "'", errno);
  }
  return {};
}

Status SpooldirSource::load_tracker() {
  auto mark = tracker_->load();
  if (!mark) {
    return mark.error();
  }
  if (mark->has_value()) {
    begun_ = std::move(**mark);
  }
  return {};
}

// ---------------------------------------------------------------- reading

bool SpooldirSource::is_marked(std::string_view path) const {
  if (!marks() || !tracker_dir_) {
    return false;
  }
  struct stat info {};
  const std::string marker = std::string(path) + options_.file_suffix;
  return ::fstatat(tracker_dir_->fd(), marker.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

Status SpooldirSource::scan() {
  std::unordered_set<std::string_view> known;
  for (const InFlight& file : in_flight_) {
    known.insert(file.path);
  }
  auto files = scanner_->list(
      *root_, tracker_dir_ ? tracker_dir_->fd() : -1,
      [&](std::string_view path) {
        return known.contains(path) || failed_.contains(path) || is_marked(path);
      },
      more_to_scan_);
  if (!files) {
    return files.error();
  }
  scanned_ = true;
  for (SpoolFile& file : *files) {
    if (begun_ && utf8_escaped(absolute(file.path)) == begun_->file) {
      queue_.push_front(std::move(file));
    } else {
      queue_.push_back(std::move(file));
    }
  }
  return {};
}

Result<UniqueFd> SpooldirSource::open_file(std::string_view path) const {
  auto directory = directory_of(path);
  if (!directory) {
    return directory.error();
  }
  UniqueFd fd(::openat(directory->fd(), std::string(base_name(path)).c_str(),
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) {
    return system_error(ErrorClass::io, "cannot open '" + absolute(path) + "'", errno);
  }
  return fd;
}

void SpooldirSource::make_headers(const std::string& path) {
  Headers headers;
  const auto add = [&](const std::string& key, std::string_view value) {
    std::string text = utf8_escaped(value);
    if (text.size() > limits_.value_bytes) {
      log(LogLevel::warning, "the header '" + key + "' is left out of the events of '" +
                                 absolute(path) + "': its value is too long");
      return;
    }
    headers.emplace_back(utf8_escaped(key), std::move(text));
  };
  if (options_.file_header) {
    add(options_.file_header_key, absolute(path));
  }
  if (options_.basename_header) {
    add(options_.basename_header_key, base_name(path));
  }
  map_.clear();
  if (!headers.empty()) {
    append_map(map_, headers);
  }
}

/// Opens the next file of the queue, or takes it off the queue and says why not.
void SpooldirSource::open_next() {
  std::string path = std::move(queue_.front().path);
  queue_.pop_front();
  struct stat info {};
  struct stat taken {};
  auto directory = directory_of(path);
  const std::string name(base_name(path));
  UniqueFd fd;
  int number = ENOENT;
  if (directory) {
    fd.reset(
        ::openat(directory->fd(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    number = fd ? 0 : errno;
  }
  if (number == ENOENT) {
    log(LogLevel::warning, "'" + absolute(path) + "' went away before it was read");
    return;
  }
  if (fd && ::fstat(fd.get(), &info) != 0) {
    number = errno;
  }
  if (number == 0 && !S_ISREG(info.st_mode)) {
    log(LogLevel::warning, "passed over '" + absolute(path) + "': it is not a regular file");
    return;
  }
  InFlight file;
  file.path = path;
  if (number != 0) {
    fail_file(file, system_error("cannot open '" + absolute(path) + "'", number));
    return;
  }
  if (renames() && ::fstatat(directory->fd(), (name + options_.file_suffix).c_str(), &taken,
                             AT_SYMLINK_NOFOLLOW) == 0) {
    fail_file(file,
              name_taken(path));  // before it is sent, not after: the next run would repeat it
    return;
  }
  file.identity = Identity::of(info);
  file.first = file.end = produced_;
  if (begun_ && begun_->file == utf8_escaped(absolute(path))) {
    const bool same = begun_->size < 0 || (begun_->size == file.identity.size &&
                                           begun_->mtime_ns == file.identity.mtime_ns);
    if (same && begun_->offset <= static_cast<std::uint64_t>(file.identity.size)) {
      file.start_offset = begun_->offset;
      tracked_ = path;
    } else {
      log(LogLevel::warning,
          "'" + absolute(path) + "' has changed since it was begun; it is read from its start");
    }
    begun_.reset();
  }
  lines_->start(std::move(fd), file.start_offset);
  first_event_ = file.start_offset == 0;
  make_headers(path);
  in_flight_.push_back(std::move(file));
  reading_ = true;
}

/// The end of the file has been reached.
Status SpooldirSource::finish_reading() {
  InFlight& file = in_flight_.back();
  file.read = true;
  reading_ = false;
  struct stat info {};
  if (::fstat(lines_->fd(), &info) != 0 || !(Identity::of(info) == file.identity)) {
    fail_file(file, Error{ErrorClass::input,
                          "'" + absolute(file.path) + "' changed while it was read; it stays",
                          "move a file into the directory when it is complete"});
  }
  lines_->stop();
  return settle();
}

Result<Source::State> SpooldirSource::produce(BlockBuilder& out) {
  for (;;) {
    while (!reading_) {
      if (in_flight_.size() >= kMaxInFlight) {
        wake_at_ms_ = monotonic_ms() + kFullWaitMs;
        return State::wait;
      }
      if (queue_.empty()) {
        if (scanned_ && options_.once && !more_to_scan_) {
          return State::end;
        }
        if (wake_at_ms_ > monotonic_ms()) {
          return State::wait;
        }
        if (Status status = scan(); !status) {
          return status.error();
        }
        if (begun_ && !more_to_scan_) {
          // The file that the tracker names is gone, or is not ours any more.
          if (queue_.empty() || utf8_escaped(absolute(queue_.front().path)) != begun_->file) {
            begun_.reset();
            if (Status status = dry_run_ ? Status() : tracker_->remove(); !status) {
              return status.error();
            }
          }
        }
        if (dry_run_) {
          return State::end;
        }
        if (queue_.empty()) {
          if (options_.once) {
            return State::end;
          }
          wake_at_ms_ = monotonic_ms() + std::max<std::int64_t>(options_.poll_delay.ms, 1);
          return State::wait;
        }
      }
      open_next();
    }
    wake_at_ms_ = -1;
    InFlight& file = in_flight_.back();
    const LineFile::Next next = lines_->peek();
    if (next == LineFile::Next::event ||
        (next == LineFile::Next::end && first_event_ && lines_->offset() == 0)) {
      const std::string_view body =
          next == LineFile::Next::event ? lines_->body() : std::string_view();
      if (!out.fits(BlockBuilder::event_size(map_, body))) {
        checkpoints_.push_back({produced_, lines_->offset()});
        return State::more;
      }
      out.add(map_, body);
      if (next == LineFile::Next::event) {
        lines_->accept();
      }
      first_event_ = false;
      ++produced_;
      ++file.end;
      continue;
    }
    if (next == LineFile::Next::failed) {
      fail_file(file, system_error(ErrorClass::io, "cannot read '" + absolute(file.path) + "'",
                                   lines_->error_number()));
    }
    if (Status status = finish_reading(); !status) {
      return status.error();
    }
  }
}

}  // namespace fl
