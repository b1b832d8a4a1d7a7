// Appends events to local files, a new one every so often, as Flume's file_roll sink does.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/component/component_type.h"
#include "common/event/system_zone.h"
#include "common/io/local_dir.h"
#include "common/io/worker.h"
#include "tools/fl-sink/roll_names.h"
#include "tools/fl-sink/serializer.h"

namespace fl {
namespace {

/// Written data is synced at the latest after this, also if nobody asks for it.
constexpr std::int64_t kSyncMs = 1000;
/// The most that has to be read back when a file is removed behind our back.
constexpr std::uint64_t kSyncBytes = 64 << 20;
constexpr std::int64_t kFullRetryMs = 500;
/// Names that may be taken by files of others before we give up.
constexpr int kMaxTaken = 100'000;

struct Options {
  std::string directory;
  Duration roll_interval{300'000};
  bool empty_files = false;
  std::string path_manager = "default";
  std::string prefix;
  std::string extension;
  SerializerOptions serializer;
  std::uint64_t batch_size = 100;
};

OptionSet options() {
  OptionTable<Options> table;
  table
      .add("sink.directory", &Options::directory, "DIR",
           "The directory to write to; it must exist.")
      .positional()
      .path()
      .required();
  table
      .add("sink.rollInterval", &Options::roll_interval, "TIME",
           "Begin a new file after TIME; 0: never.")
      .flume("30");
  table
      .add("sink.emptyFiles", &Options::empty_files, "BOOL",
           "Create a file at the start and after each --roll-interval, even if no event arrives. "
           "Otherwise a file is created for its first event.")
      .flume("true");
  table
      .add("sink.pathManager", &Options::path_manager, "NAME",
           "How files are named. default: PREFIX, the time of the start in ms, -N. rolltime: "
           "PREFIX, the local time when the file is created (yyyyMMddHHmmss), -N.")
      .choices({"default", "rolltime"})
      .choice_alias("org.apache.flume.formatter.output.DefaultPathManager$Builder", "default")
      .choice_alias("org.apache.flume.formatter.output.RollTimePathManager$Builder", "rolltime")
      .flume("DEFAULT");
  table.add("sink.pathManager.prefix", &Options::prefix, "PREFIX", "The start of each name.")
      .named("prefix");
  table
      .add("sink.pathManager.extension", &Options::extension, "EXT",
           "The end of each name, after a dot.")
      .named("extension");
  add_serializer_options(table, &Options::serializer, "sink.");
  table.add("sink.batchSize", &Options::batch_size, "N", "Events taken in one transaction.")
      .ignored("events are written as they come, a block at a time");
  return std::move(table).erased();
}

class FileRollSink final : public Sink {
 public:
  explicit FileRollSink(Options options) : options_(std::move(options)) {}

  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::durable, "file synced"};
  }
  Status deliver(const Batch& batch) override;
  bool ready() const override {
    return !is_full_ && !must_roll_ && written_ - synced_bytes_ < kSyncBytes;
  }
  std::uint64_t safe() const override { return synced_; }
  std::optional<Error> missing() const override {
    return is_full_ ? std::optional(full_why_) : std::nullopt;
  }
  Status commit(std::uint64_t n) override {
    asked_ = std::max(asked_, n);
    return sync_asked();
  }
  void watch(PollSet& set, bool) override { syncer_.watch(set); }
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Status close() override;
  void reopen() override { must_reopen_ = true; }
  void figures(FigureList& out) const override;

 private:
  Status show_plan();
  Status begin_file();
  Result<bool> create();
  Status write_out();
  Status sync_asked();
  Status sync();
  void start_sync();
  Status take_synced();
  Status roll();
  bool is_removed() const;
  Status take_back(std::uint64_t from);
  void forget_file();
  void cut_half_event();
  Status leave_removed();
  Status leave_full();
  Status set_full(const Error& why);

  const Options options_;
  std::optional<LocalDir> dir_;
  std::optional<RollNames> names_;

  // One file; `serializer_` is set while there is one, `fd_` once something of it was written.
  std::unique_ptr<Serializer> serializer_;
  UniqueFd fd_;
  std::string name_;
  std::string header_;            // what the file begins with
  bool is_entry_synced_ = false;  // of the directory
  std::uint64_t written_ = 0;     // bytes
  std::uint64_t whole_ = 0;       // bytes up to the end of the last whole event
  std::uint64_t synced_bytes_ = 0;
  std::uint64_t whole_events_ = 0;  // as delivered_: those that whole_ holds
  std::int64_t roll_at_ms_ = -1;
  bool must_roll_ = false;
  bool must_reopen_ = false;
  bool is_ended_ = false;  // the serializer's end() is in the buffer

  std::string buffer_;  // serialized, not written
  std::uint64_t delivered_ = 0;
  std::uint64_t synced_ = 0;
  std::uint64_t asked_ = 0;    // events that are to be synced at once
  std::uint64_t syncing_ = 0;  // events that the sync is about
  std::uint64_t syncing_bytes_ = 0;
  std::int64_t sync_at_ms_ = -1;
  bool is_full_ = false;
  Error full_why_;
  std::int64_t full_retry_ms_ = -1;
  std::uint64_t files_ = 0;
  std::uint64_t completed_ = 0;
  Worker syncer_;  // the last member: it ends before the descriptors are closed
};

// ---------------------------------------------------------------- start

Status FileRollSink::open(const StageContext& context) {
  for (const std::string* const part : {&options_.prefix, &options_.extension}) {
    if (part->find('/') != std::string::npos || part->find('\0') != std::string::npos) {
      return Error{ErrorClass::config, "cannot use '" + *part + "' in the name of a file",
                   "the directory is given as DIR"};
    }
  }
  if (const auto serializer = make_serializer(options_.serializer); !serializer) {
    return serializer.error();
  }
  auto dir = LocalDir::open(options_.directory, LocalDir::Missing::fail);
  if (!dir) {
    Error error = dir.error();
    if (error.kind == ErrorClass::config) {
      error.hint = "create the directory first, or name another one";
    }
    return error;
  }
  if (::faccessat(dir->fd(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return system_error("cannot write in '" + options_.directory + "'", errno);
  }
  if (options_.path_manager == "rolltime") {
    if (Status zone = load_system_zone(); !zone) {
      return zone;
    }
  }
  names_.emplace(options_.path_manager == "rolltime" ? RollNames::Manager::roll_time
                                                     : RollNames::Manager::series,
                 options_.prefix, options_.extension, wall_ms());
  dir_.emplace(std::move(*dir));
  if (context.dry_run) {
    return show_plan();
  }
  return options_.empty_files ? begin_file() : Status();
}

Status FileRollSink::show_plan() {
  const std::string text = "rule: " + std::string(guarantee()->text) +
                           "\nfile: " + dir_->path_of(names_->next(wall_ms())) + "\n";
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return system_error(ErrorClass::io, "cannot write to stdout", errno);
  }
  return {};
}

// ---------------------------------------------------------------- writing

Status FileRollSink::begin_file() {
  auto serializer = make_serializer(options_.serializer);
  if (!serializer) {
    return serializer.error();
  }
  serializer_ = std::move(*serializer);
  serializer_->begin(buffer_);
  header_ = buffer_;
  is_ended_ = false;
  roll_at_ms_ = options_.roll_interval.ms > 0 ? monotonic_ms() + options_.roll_interval.ms : -1;
  return write_out();
}

// Makes the file under the next free name: what exists belongs to others. False: the disk is full.
Result<bool> FileRollSink::create() {
  for (int i = 0; i < kMaxTaken; ++i) {
    name_ = names_->next(wall_ms());
    int number = 0;
    Result<UniqueFd> fd = dir_->create_file(name_, &number);
    if (fd) {
      fd_ = std::move(*fd);
      is_entry_synced_ = false;
      written_ = 0;
      whole_ = 0;
      synced_bytes_ = 0;
      ++files_;
      return true;
    }
    if (is_disk_full(number)) {
      if (Status status = set_full(fd.error()); !status) {
        return status.error();
      }
      return false;
    }
    if (number == ENOENT) {
      // The directory was removed. If somebody made it again, files go on there.
      auto dir = LocalDir::open(options_.directory, LocalDir::Missing::fail);
      if (!dir || dir_->exists()) {
        const Error& why = dir ? fd.error() : dir.error();
        return Error{ErrorClass::create, why.message,
                     "the directory was removed while this stage ran: create it again"};
      }
      dir_.emplace(std::move(*dir));
    } else if (number != EEXIST) {
      return fd.error();
    }
  }
  return Error{
      ErrorClass::create, "cannot find a free name for a file in '" + options_.directory + "'", {}};
}

// Writes what is in the buffer, or as much as the disk takes; is_full_ says which.
Status FileRollSink::write_out() {
  if (!fd_) {
    const Result<bool> created = create();
    if (!created) {
      return created.error();
    }
    if (!*created) {
      return {};
    }
  }
  int number = 0;
  const std::size_t done = write_some(fd_.get(), buffer_, number);
  buffer_.erase(0, done);
  written_ += done;
  if (number != 0) {
    const Error error =
        system_error(ErrorClass::io, "cannot write '" + dir_->path_of(name_) + "'", number);
    return is_disk_full(number) ? set_full(error) : Status(error);
  }
  whole_ = written_;
  whole_events_ = delivered_;
  if (std::exchange(is_full_, false)) {
    log(LogLevel::info, "there is room again: reading continues");
  }
  full_retry_ms_ = -1;
  return {};
}

Status FileRollSink::set_full(const Error& why) {
  full_why_ = why;
  if (!std::exchange(is_full_, true)) {
    log(LogLevel::warning, why.message + "; reading stops until there is room");
  }
  full_retry_ms_ = monotonic_ms() + kFullRetryMs;
  return {};
}

Status FileRollSink::deliver(const Batch& batch) {
  if (batch.size() == 0) {
    return {};
  }
  if (!serializer_) {
    if (Status status = begin_file(); !status) {
      return status;
    }
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    serializer_->append(buffer_, batch[i]);
  }
  serializer_->flush(buffer_);
  delivered_ += batch.size();
  if (sync_at_ms_ < 0) {
    sync_at_ms_ = monotonic_ms() + kSyncMs;
  }
  if (Status status = write_out(); !status || written_ - synced_bytes_ < kSyncBytes) {
    return status;
  }
  return sync();
}

Status FileRollSink::sync_asked() { return asked_ > synced_ ? sync() : Status(); }

// Begins to make everything delivered durable, unless a sync runs or the disk is full: then later.
Status FileRollSink::sync() {
  if (syncer_.busy()) {
    return {};
  }
  if (!buffer_.empty()) {
    if (Status status = write_out(); !status || !buffer_.empty()) {
      return status;
    }
  }
  if (synced_ < delivered_ && is_removed()) {
    if (Status status = leave_removed(); !status) {
      return status;
    }
    if (Status status = write_out(); !status || !buffer_.empty()) {
      return status;
    }
  }
  sync_at_ms_ = -1;
  if (fd_ && synced_ < delivered_) {
    start_sync();
  } else {
    synced_ = delivered_;
  }
  return {};
}

// Of the file's whole events.
void FileRollSink::start_sync() {
  syncing_ = whole_events_;
  syncing_bytes_ = whole_;
  syncer_.start([this, is_entry_synced = is_entry_synced_]() -> Status {
    if (::fdatasync(fd_.get()) != 0) {
      return system_error(ErrorClass::io, "cannot sync '" + dir_->path_of(name_) + "'", errno);
    }
    return is_entry_synced ? Status() : dir_->sync();
  });
}

// A failed sync is never tried again: the page cache may have forgotten the data, and the second
// call would succeed.
Status FileRollSink::take_synced() {
  const std::optional<Status> result = syncer_.take();
  if (!result || !*result) {
    return result ? *result : Status();
  }
  if (is_removed()) {
    sync_at_ms_ = monotonic_ms();  // in the next file
    return {};
  }
  is_entry_synced_ = true;
  synced_ = syncing_;
  synced_bytes_ = syncing_bytes_;
  return {};
}

bool FileRollSink::is_removed() const { return fd_ && fl::is_removed(fd_.get()); }

// Takes back what the file holds after `from`: it belongs in the next one, before what is in the
// buffer.
Status FileRollSink::take_back(std::uint64_t from) {
  std::string rest(written_ - from, '\0');
  for (std::size_t done = 0; done < rest.size();) {
    const ssize_t n =
        ::pread(fd_.get(), rest.data() + done, rest.size() - done, static_cast<off_t>(from + done));
    if (n <= 0) {
      return system_error(ErrorClass::io, "cannot read '" + dir_->path_of(name_) + "'",
                          n < 0 ? errno : EIO);
    }
    done += static_cast<std::size_t>(n);
  }
  buffer_.insert(0, from > 0 ? header_ + rest : rest);
  return {};
}

void FileRollSink::forget_file() {
  fd_.reset();
  written_ = 0;
  whole_ = 0;
  synced_bytes_ = 0;
  if (options_.roll_interval.ms > 0) {
    roll_at_ms_ = monotonic_ms() + options_.roll_interval.ms;
  }
}

// What was not synced when somebody removed the file is not lost with it.
Status FileRollSink::leave_removed() {
  log(LogLevel::warning, "'" + dir_->path_of(name_) + "' was removed: continuing in a new file");
  Status status = take_back(synced_bytes_);
  forget_file();
  return status;
}

// Ends the file, so that its room can be given back: it keeps its whole events, which are synced.
Status FileRollSink::leave_full() {
  if (Status status = take_back(whole_); !status) {
    return status;
  }
  completed_ += whole_ > 0 ? 1U : 0U;
  cut_half_event();
  forget_file();
  return {};
}

void FileRollSink::cut_half_event() {
  const bool is_cut = whole_ == 0 ? bool(dir_->remove(name_))
                                  : ::ftruncate(fd_.get(), static_cast<off_t>(whole_)) == 0;
  if (!is_cut) {
    log(LogLevel::warning, "'" + dir_->path_of(name_) + "' ends with part of an event");
  }
}

// Completes the file once it is synced and the disk is not full: until then must_roll_ stays.
Status FileRollSink::roll() {
  must_roll_ = true;
  if (serializer_) {
    if (!std::exchange(is_ended_, true)) {
      serializer_->end(buffer_);
    }
    if (Status status = sync(); !status || !buffer_.empty() || syncer_.busy()) {
      return status;
    }
    completed_ += fd_ ? 1U : 0U;
    serializer_.reset();
    fd_.reset();
    roll_at_ms_ = -1;
  }
  must_roll_ = false;
  return options_.empty_files ? begin_file() : Status();
}

Status FileRollSink::handle(const PollSet&) {
  if (Status status = take_synced(); !status || syncer_.busy()) {
    return status;
  }
  const std::int64_t now = monotonic_ms();
  if (is_full_) {
    if (now < full_retry_ms_ && !must_reopen_) {
      return {};
    }
    // A file that is held open keeps its room, also when it has no name any more.
    if (is_removed()) {
      if (Status status = leave_removed(); !status) {
        return status;
      }
    } else if (must_reopen_ && fd_) {
      if (synced_ < whole_events_) {
        start_sync();
        return {};
      }
      if (Status status = leave_full(); !status) {
        return status;
      }
    }
    must_reopen_ = false;
    if (Status status = write_out(); !status || is_full_) {
      return status;
    }
  }
  if (std::exchange(must_reopen_, false) || must_roll_ ||
      (roll_at_ms_ >= 0 && now >= roll_at_ms_)) {
    return roll();
  }
  return sync_at_ms_ >= 0 && now >= sync_at_ms_ ? sync() : sync_asked();
}

std::int64_t FileRollSink::deadline_ms() const {
  if (syncer_.busy()) {
    return -1;
  }
  if (is_full_) {
    return full_retry_ms_;
  }
  if (roll_at_ms_ < 0 || sync_at_ms_ < 0) {
    return std::max(roll_at_ms_, sync_at_ms_);
  }
  return std::min(roll_at_ms_, sync_at_ms_);
}

Status FileRollSink::close() {
  (void)syncer_.wait();  // it uses the file
  if (fd_ && !buffer_.empty()) {
    cut_half_event();  // it was not acknowledged and comes again
  } else if (fd_) {
    ++completed_;
  }
  fd_.reset();
  return {};
}

void FileRollSink::figures(FigureList& out) const {
  out.gauge("files_open", "Files that take events.", fd_ ? 1 : 0).said("files open");
  out.counter("files_opened_total", "Files that were made.", files_);
  out.counter("files_committed_total", "Files that are complete and synced.", completed_)
      .said("committed");
}

}  // namespace

ComponentType file_roll_sink() {
  ComponentType type;
  type.kind = ComponentKind::sink;
  type.name = "file_roll";
  type.class_names = {"org.apache.flume.sink.RollingFileSink"};
  type.sought_as = {"local", "directory", "dir"};
  type.summary = "files in a local directory, a new one every so often";
  type.description =
      "Appends events to a file in DIR, and begins a new one after --roll-interval. Files have "
      "their final names from the start and can be followed with tail -f: each block of events is "
      "written at once. For files that appear only when they are complete, use the hdfs sink with "
      "a file:// path.\n\n"
      "An existing file is never changed: if a name is taken, the next number is used. HUP ends "
      "the open file, and the next event begins another one. A full disk makes the stage wait "
      "until there is room; HUP ends the file then too, after its last whole event, so that it can "
      "be moved away. If the open file is removed, a new one is begun. If DIR is removed and "
      "created again, files continue in the new one; if it is not created again the stage ends "
      "with 73.";
  type.delivery =
      "An event is acknowledged when its file, and the directory, are synced: when an earlier "
      "stage asks for it, when a file ends, and after a second at the latest. After a crash a file "
      "may end with part of an event; that event was not acknowledged, and a source that can read "
      "its input again sends it to the next file.";
  type.examples = {
      {"d=$(mktemp -d) && seq 1000 | fl-sink file_roll $d && ls $d && cat $d/*",
       "Writes one file with 1000 lines."},
      {"d=$(mktemp -d) && fl-source seq --count 9 | fl-intercept timestamp | fl-sink file_roll $d "
       "--serializer avro_event --path-manager rolltime --prefix app- --extension avro && ls $d",
       "Writes an Avro file whose name is app- and the time."},
  };
  type.options = options();
  type.sink = factory<Sink, FileRollSink, Options>();
  return type;
}

}  // namespace fl
