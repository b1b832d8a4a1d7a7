// How the sink is opened: options, store, limits; and what --dry-run shows.
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/event/path_escape.h"
#include "common/io/signals.h"
#include "tools/fl-sink/hdfs/bucket_names.h"
#include "tools/fl-sink/hdfs/make_store.h"
#include "tools/fl-sink/hdfs/sink.h"
#include "tools/fl-sink/hdfs/where.h"

namespace fl {
namespace {

constexpr std::size_t kSpareFiles = 128;  // descriptors for everything but parts

}  // namespace

HdfsSink::HdfsSink(HdfsOptions options) : HdfsSink(std::move(options), nullptr) {}

HdfsSink::HdfsSink(HdfsOptions options, std::unique_ptr<Store> store)
    : options_(std::move(options)),
      store_(std::move(store)),
      pool_(
          static_cast<std::size_t>(std::clamp<std::uint64_t>(options_.threads_pool_size, 1, 64))) {}

HdfsSink::~HdfsSink() { (void)close(); }

void HdfsSink::build_of(HdfsParts parts) {
  store_ = std::move(parts.store);
  names_ = std::move(parts.names);
  rows_ = std::move(parts.rows);
  if (!parts.serializer.empty()) {
    options_.serializer.name = std::move(parts.serializer);
  }
}

// What the table cannot say: a number that is of no use.
Status HdfsSink::check_options() const {
  if (options_.max_open_files == 0) {
    return Error{ErrorClass::config, "--max-open-files 0: not even one file could be open", {}};
  }
  if (options_.threads_pool_size == 0) {
    return Error{ErrorClass::config, "--threads-pool-size 0: nothing could be uploaded", {}};
  }
  if (!options_.permission.empty() && !parse_mode(options_.permission)) {
    return Error{ErrorClass::config, "'" + options_.permission + "' is not a valid file mode",
                 "three octal digits, with or without a 0 before them, for example 640"};
  }
  if (options_.replication > 512) {
    return Error{ErrorClass::config, "HDFS keeps at most 512 replicas", {}};
  }
  if (options_.block_size.value % 512 != 0) {
    return Error{ErrorClass::config, "--block-size must be a multiple of 512", {}};
  }
  // Also when no time is in PATH: what is wrong today is used tomorrow.
  PathTimeOptions times{options_.time_zone, true, options_.round_value, options_.round_unit};
  if (times.time_zone.empty()) {
    times.time_zone = "UTC";
  }
  const Result<PathClock> clock = PathClock::make(times);
  return clock ? Status() : Status(clock.error());
}

Status HdfsSink::open(const StageContext& context) {
  limits_.grace_ms = context.grace_ms;
  limits_.give_up_ms = context.give_up_ms;
  limits_.tries =
      options_.retry_interval.ms == 0 ? 1 : std::max<std::int64_t>(options_.close_tries, 0);
  limits_.pause_ms = options_.retry_interval.ms;
  input_over_ = context.input_over;
  rejects_ = context.rejects;
  if (Status checked = check_options(); !checked) {
    return checked;
  }
  std::string path = options_.path;
  std::optional<Where> where;
  if (store_ == nullptr) {
    Result<Where> found = find_where(options_, context.terminal);
    if (!found) {
      return found.error();
    }
    where = std::move(*found);
    path = where->path;
  }
  Result<std::unique_ptr<FileFormat>> format = FileFormat::make(options_, std::move(rows_));
  if (!format) {
    return format.error();
  }
  format_ = std::move(*format);
  options_.file_suffix = format_->suffix();
  if (names_ == nullptr) {
    Result<BucketNames> names = BucketNames::make(
        options_, path, where && where->location.scheme != HdfsLocation::Scheme::file);
    if (!names) {
      return names.error();
    }
    if (where) {
      const std::int64_t patience_ms = limits_.give_up_ms > 0
                                           ? std::min(limits_.grace_ms, limits_.give_up_ms)
                                           : limits_.grace_ms;
      Result<std::unique_ptr<Store>> store =
          make_store(options_, where->location, names->fixed(), patience_ms);
      if (!store) {
        return store.error();
      }
      store_ = std::move(*store);
    }
    names_ = std::make_unique<BucketNames>(std::move(*names));
  }
  if (where && !where->note.empty()) {
    log(LogLevel::info, where->note);
  }
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) {
    return system_error(ErrorClass::io, "cannot create an eventfd", errno);
  }
  if (Status opened = open_store(context.dry_run); !opened) {
    return opened;
  }
  return context.dry_run ? show_plan() : prepare_limits();
}

// A server may take its time: signals and the status line are served meanwhile.
Status HdfsSink::open_store(bool dry_run) {
  if (Status started = dry_run ? Status() : pool_.start(); !started) {
    return started;
  }
  if (dry_run || !store_->is_remote()) {
    return store_->open(dry_run);
  }
  is_opening_ = true;
  pool_.submit([this] {
    Status status = store_->open(false);
    {
      const std::lock_guard lock(finished_mutex_);
      opened_ = std::move(status);
    }
    (void)eventfd_write(wake_.get(), 1);
  });
  return {};
}

// False: not yet.
Result<bool> HdfsSink::take_opened() {
  if (stop_requested()) {
    return Error{ErrorClass::again, "stopped while waiting for " + store_->place(), {}};
  }
  eventfd_t count = 0;
  (void)eventfd_read(wake_.get(), &count);
  std::optional<Status> status;
  {
    const std::lock_guard lock(finished_mutex_);
    status = std::exchange(opened_, std::nullopt);
  }
  if (!status) {
    return false;
  }
  if (!*status) {
    return status->error();  // and never ready
  }
  is_opening_ = false;
  return true;
}

Status HdfsSink::show_plan() {
  const std::int64_t now = wall_ms();
  if (Status described = names_->describe(now); !described) {
    return described;
  }
  FileNames names{std::string(names_->directory()), std::string(names_->prefix()),
                  options_.file_suffix};
  std::string below = store_->base();
  below += below.ends_with('/') ? "" : "/";
  below += names.directory.empty() ? "" : names.directory + "/";
  const std::string final_name = names.final_name(static_cast<std::uint64_t>(now) + 1);
  std::string text = "store: " + store_->place() + "\n";
  text += "rule: " + std::string(store_->rule()) + "\n";
  text += "file: " + below + final_name + "\n";
  text += "temporary: " + below + temporary_name(final_name) + "\n";
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return system_error(ErrorClass::io, "cannot write to stdout", errno);
  }
  return {};
}

// One descriptor for each open part; a batch may open many before the least used ones are gone.
Status HdfsSink::prepare_limits() {
  max_open_ =
      static_cast<std::size_t>(std::clamp<std::uint64_t>(options_.max_open_files, 1, 100'000));
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
    return system_error(ErrorClass::io, "cannot read the limit of open files", errno);
  }
  const rlim_t wanted = 2 * max_open_ + kSpareFiles;
  if (files.rlim_cur < wanted) {
    files.rlim_cur = std::min<rlim_t>(wanted, files.rlim_max);
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)getrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur < wanted) {
    const rlim_t usable =
        files.rlim_cur > 2 * kSpareFiles ? files.rlim_cur - kSpareFiles : kSpareFiles;
    max_open_ = static_cast<std::size_t>(std::max<rlim_t>(usable / 2, 1));
    log(LogLevel::debug, "at most " + std::to_string(max_open_) +
                             " files open at a time: the limit of file descriptors is " +
                             std::to_string(files.rlim_cur));
  }
  return {};
}

}  // namespace fl
