// Reads the files that others put into a directory, and renames or deletes each one when its
// events are acknowledged.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/io/local_dir.h"
#include "common/stage/component_type.h"
#include "common/stage/line_rules.h"
#include "tools/fl-source/line_file.h"
#include "tools/fl-source/spool_scan.h"
#include "tools/fl-source/spool_tracker.h"

namespace fl {
namespace {

constexpr const char* kLockFile = ".flumespool.lock";
/// Files read and not wholly acknowledged; each costs about 200 bytes.
constexpr std::size_t kMaxInFlight = 1 << 16;
constexpr std::int64_t kFullWaitMs = 50;

struct Options {
  std::string spool_dir;
  bool once = false;
  std::string file_suffix = ".COMPLETED";
  std::string delete_policy = "never";
  std::string tracking_policy = "rename";
  std::string tracker_dir = ".flumespool";
  bool file_header = false;
  std::string file_header_key = "file";
  bool basename_header = false;
  std::string basename_header_key = "basename";
  std::string include_pattern = "^.*$";
  std::string ignore_pattern = "^$";
  std::string consume_order = "oldest";
  bool recursive = false;
  Duration poll_delay{500};
  std::string deserializer = "LINE";
  std::uint64_t max_line_length = 0;
  std::string input_charset = "UTF-8";
  std::string output_charset = "UTF-8";
  std::string decode_error_policy = "FAIL";
  std::uint64_t batch_size = 100;
  std::uint64_t max_backoff = 4000;
};

OptionSet options() {
  OptionTable<Options> table;
  table.add("spoolDir", &Options::spool_dir, "DIR", "The directory to read.")
      .positional()
      .required();
  table
      .add("once", &Options::once, "",
           "End when the files that were there at the start are delivered, as a job of cron does. "
           "Without it the directory is watched for ever.")
      .cli_only();
  table.add("fileSuffix", &Options::file_suffix, "SUFFIX",
            "What is added to the name of a delivered file; files named so are passed over.");
  table
      .add("deletePolicy", &Options::delete_policy, "never|immediate",
           "immediate: delete a delivered file instead of renaming it.")
      .choices({"never", "immediate"});
  table
      .add("trackingPolicy", &Options::tracking_policy, "rename|tracker_dir",
           "tracker_dir: leave delivered files as they are and put an empty file with the same "
           "name and the suffix into the tracker directory.")
      .choices({"rename", "tracker_dir"});
  table.add("trackerDir", &Options::tracker_dir, "DIR",
            "Where the progress is kept; relative to the directory to read unless absolute.");
  table.add("fileHeader", &Options::file_header, "BOOL",
            "Add a header with the absolute path of the file.");
  table.add("fileHeaderKey", &Options::file_header_key, "NAME", "The name of that header.");
  table.add("basenameHeader", &Options::basename_header, "BOOL",
            "Add a header with the name of the file.");
  table.add("basenameHeaderKey", &Options::basename_header_key, "NAME", "The name of that header.");
  table.add("includePattern", &Options::include_pattern, "REGEX",
            "Read only files whose whole name matches.");
  table.add("ignorePattern", &Options::ignore_pattern, "REGEX",
            "Pass over files and directories whose whole name matches, whatever else is said.");
  table
      .add("consumeOrder", &Options::consume_order, "oldest|youngest|random",
           "By the time of the last change, equal ones by name; random: as the system lists them. "
           "A file that was begun by an earlier run is always first.")
      .choices({"oldest", "youngest", "random"});
  table.add("recursiveDirectorySearch", &Options::recursive, "BOOL", "Read subdirectories too.");
  table.add("pollDelay", &Options::poll_delay, "TIME", "Time between two looks for new files.")
      .flume_ms();
  table
      .add("deserializer", &Options::deserializer, "NAME",
           "How a file becomes events; LINE: each line one event.")
      .choices({"LINE"});
  table
      .add("deserializer.maxLineLength", &Options::max_line_length, "BYTES",
           "The longest event; 0: as --max-line says. Longer lines are handled by --long-line.")
      .flume("2048");
  table
      .add("inputCharset", &Options::input_charset, "NAME",
           "Bytes pass unchanged, so the encoding must be one whose newline is the byte 10.")
      .choices({"UTF-8", "US-ASCII", "ISO-8859-1"});
  table.add("deserializer.outputCharset", &Options::output_charset, "NAME", "Encoding of events.")
      .ignored("bytes pass unchanged");
  table
      .add("decodeErrorPolicy", &Options::decode_error_policy, "NAME",
           "What to do with bytes that are not in the encoding.")
      .ignored("bytes pass unchanged: nothing is decoded");
  table.add("batchSize", &Options::batch_size, "N", "Events in one transaction.")
      .ignored("blocks are cut by the size of the pipe");
  table.add("maxBackoff", &Options::max_backoff, "MS", "Longest wait for a full channel.")
      .ignored("a full channel makes this source wait; there is nothing to try again");
  return std::move(table).erased();
}

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

class SpooldirSource final : public Source {
 public:
  explicit SpooldirSource(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  Result<State> produce(BlockBuilder& out) override;
  bool has_state() const override { return true; }
  Status acked(std::uint64_t n) override;
  bool whole() const override { return failed_.empty(); }
  void stop() override { stopped_ = true; }
  Status close() override;
  std::int64_t deadline_ms() const override { return wake_at_ms_; }
  std::string summary() const override;

 private:
  /// A file that was opened and is not completely acknowledged.
  struct InFlight {
    std::string path;  // relative to the spool directory
    Identity identity;
    std::uint64_t first = 0;         // number of its first event
    std::uint64_t end = 0;           // number behind its last event so far
    std::uint64_t start_offset = 0;  // of its first event
    bool read = false;               // wholly
    bool failed = false;             // stays as it is; nothing is recorded of it
  };
  /// A place inside a file at the end of a block.
  struct Checkpoint {
    std::uint64_t events = 0;
    std::uint64_t offset = 0;
  };

  Status open_directories();
  Status lock();
  Status load_tracker();
  Status scan();
  void open_next();
  Status finish_reading();
  Status settle();
  Status complete(const InFlight& file);
  Status record_progress(const InFlight& file);
  Result<std::uint64_t> offset_of(const InFlight& file, std::uint64_t events);
  Status forget_mark(const InFlight& file);
  void fail_file(InFlight& file, const Error& error);
  Error name_taken(std::string_view path) const {
    return {ErrorClass::io,
            "cannot rename '" + absolute(path) + "': '" + std::string(base_name(path)) +
                options_.file_suffix + "' exists",
            "a file of the same name was delivered before; move one of them away"};
  }
  void make_headers(const std::string& path);

  std::string absolute(std::string_view path) const { return root_path_ + "/" + std::string(path); }
  Result<UniqueFd> open_file(std::string_view path) const;
  Result<LocalDir> directory_of(std::string_view path) const {
    return root_->below(parent_of(path), LocalDir::Missing::fail);
  }
  bool renames() const {
    return options_.delete_policy == "never" && options_.tracking_policy == "rename";
  }
  bool marks() const {
    return options_.delete_policy == "never" && options_.tracking_policy == "tracker_dir";
  }
  bool is_marked(std::string_view path) const;
  std::size_t left() const { return queue_.size() + in_flight_.size() + failed_.size(); }

  const Options options_;
  EventLimits limits_;
  LineRules rules_;
  bool dry_run_ = false;

  std::optional<LocalDir> root_;
  std::string root_path_;  // absolute, without a slash at the end
  std::optional<LocalDir> tracker_dir_;
  UniqueFd lock_;
  std::optional<SpoolTracker> tracker_;
  std::optional<SpoolMark> begun_;  // by an earlier run; not opened yet
  std::string tracked_;             // relative path that the tracker file names now

  std::optional<SpoolScan> scanner_;
  std::deque<SpoolFile> queue_;
  bool scanned_ = false;
  bool more_to_scan_ = false;
  std::int64_t wake_at_ms_ = -1;

  std::optional<LineFile> lines_;
  std::optional<LineFile> finder_;  // for offset_of()
  std::string map_;                 // the encoded headers of the file that is read
  bool reading_ = false;            // in_flight_.back() is read
  bool first_event_ = false;        // of a file read from its start: an empty one is an event
  std::deque<InFlight> in_flight_;
  std::deque<Checkpoint> checkpoints_;  // of all files in flight, ascending
  std::uint64_t produced_ = 0;
  std::uint64_t acked_ = 0;

  std::uint64_t completed_ = 0;
  std::set<std::string, std::less<>> failed_;
  std::optional<ErrorClass> failure_;
  bool stopped_ = false;
};

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

// ---------------------------------------------------------------- acknowledgements

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

}  // namespace

ComponentType spooldir_source() {
  ComponentType type;
  type.kind = ComponentKind::source;
  type.name = "spooldir";
  type.class_names = {"org.apache.flume.source.SpoolDirectorySource"};
  type.summary = "files that are put into a directory, each renamed when delivered";
  type.description =
      "Reads each regular file in DIR, a line an event, and renames it with the suffix .COMPLETED "
      "when all its events are acknowledged. Files must be complete when they appear: write them "
      "elsewhere on the same file system and move them in. Names with a leading dot, symbolic "
      "links and anything that is not a regular file are passed over. An empty file is one empty "
      "event. Bytes pass unchanged; a carriage return stays unless --crlf says otherwise.\n\n"
      "The oldest file comes first. The next file is read while earlier ones are not acknowledged "
      "yet. How far the oldest of these is acknowledged stands in "
      "DIR/.flumespool/.flumespool-main.meta, in Flume's format, so that an interrupted file is "
      "taken up at the right event, by Flume too.\n\n"
      "A file that changes while it is read stays where it is and makes the status 65; a name "
      "that is taken already makes it 74. The other files are delivered all the same. A second "
      "source on the same directory ends with 75.\n\n"
      "With --once the status is 0 only if all files that were there are delivered. The last line "
      "on stderr says how many files and events that were, and what is left.";
  type.delivery =
      "At least once. A file is renamed, or deleted, when the stages behind this one have "
      "acknowledged its last event. After a crash the events that were not acknowledged are sent "
      "again.";
  type.examples = {
      {"d=$(mktemp -d) && seq 1000 > $d/numbers.log && "
       "fl-source spooldir $d --once | fl-sink null && ls $d",
       "Deliver what is there and end; the file is now numbers.log.COMPLETED."},
      {"d=$(mktemp -d) && echo hello > $d/a.log && "
       "fl-source spooldir $d --once --basename-header --delete-policy immediate | fl-sink logger",
       "With the file's name as a header; the file is deleted."},
  };
  type.options = options();
  type.source = factory<Source, SpooldirSource, Options>();
  return type;
}

}  // namespace fl
