#include "tools/fl-sink/hive/sink.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "common/hadoop/config.h"
#include "common/io/signals.h"
#include "tools/fl-sink/hdfs/make_store.h"
#include "tools/fl-sink/hdfs/where.h"
#include "tools/fl-sink/hive/json_rows.h"

namespace fl {
namespace {

constexpr std::int64_t kNoLimitMs = 24 * 3'600'000LL;

HdfsOptions file_options(const HiveOptions& options) {
  HdfsOptions files = options.files;
  files.serializer = options.avro;
  return files;
}

// Where the files of the table go: HDFS or a local directory.
Result<Where> where_of(const HiveOptions& options, const std::string& location) {
  HdfsOptions files = options.files;
  files.path = options.location.empty() ? location_url(location) : options.location;
  Result<Where> where = find_where(files, false);
  if (!where) {
    Error error = where.error();
    error.hint = "the table is at " + location +
                 "; --location names the same place by a URL that is reached from here" +
                 (error.hint.empty() ? "" : "; " + error.hint);
    return error;
  }
  return where;
}

// Readers of Hive skip names that begin with '_' or '.'; HDFS has no ':' in names.
Status check_file_names(const HdfsOptions& files) {
  const std::string& prefix = files.file_prefix;
  if (prefix.find('%') != std::string::npos) {
    return Error{ErrorClass::config, "--file-prefix has no escapes here",
                 "--partition decides which events lie together"};
  }
  if (prefix.starts_with('_') || prefix.starts_with('.')) {
    return Error{ErrorClass::config,
                 "--file-prefix begins with '" + prefix.substr(0, 1) +
                     "': Hive and Spark would not see the files",
                 {}};
  }
  if ((prefix + files.file_suffix).find_first_of(std::string_view("/:\0", 3)) !=
      std::string::npos) {
    return Error{ErrorClass::config, "the names of files may not contain '/' or ':'", {}};
  }
  if (prefix.size() + files.file_suffix.size() + kTemporaryExtra + kCounterExtra >
      PathTemplate::kMaxComponent) {
    return Error{ErrorClass::config, "--file-prefix and --file-suffix are too long", {}};
  }
  return {};
}

}  // namespace

HiveSink::HiveSink(HiveOptions options)
    : options_(std::move(options)), files_(file_options(options_)) {}

HiveSink::~HiveSink() { (void)close(); }

std::optional<Guarantee> HiveSink::guarantee() const {
  return Guarantee{Level::gathered, kPartitionedRule};
}

Status HiveSink::check_options() {
  const std::string name = options_.table;
  const std::size_t dot = options_.table.find('.');
  if (dot != std::string::npos) {
    options_.database = options_.table.substr(0, dot);
    options_.table.erase(0, dot + 1);
  }
  if (options_.table.empty() || options_.database.empty() ||
      options_.table.find_first_of("./ ") != std::string::npos) {
    return Error{ErrorClass::usage, "'" + printable(name) + "' is not the name of a table",
                 "write DATABASE.TABLE"};
  }
  Result<std::vector<PartitionPattern>> patterns = parse_partition(options_.partition);
  if (!patterns) {
    return patterns.error();
  }
  patterns_ = std::move(*patterns);
  if (const Result<std::string> delimiter = parse_delimiter(options_.delimiter); !delimiter) {
    return delimiter.error();
  }
  if (Status names = check_file_names(options_.files); !names) {
    return names;
  }
  Result<std::vector<MetastoreAddress>> addresses = parse_metastore_addresses(options_.metastore);
  if (!addresses) {
    return Error{addresses.error().kind, "--metastore: " + addresses.error().message,
                 addresses.error().hint};
  }
  HdfsLocationOptions who;
  who.user = options_.files.user;
  const Result<HadoopConfig> config = HadoopConfig::load(options_.files.conf_dir);
  if (!config) {
    return config.error();
  }
  const Result<std::optional<HdfsLocation>> self = resolve("hdfs://localhost/", *config, who);
  if (!self) {
    return self.error();
  }
  MetastoreSettings settings;
  settings.addresses = std::move(*addresses);
  settings.user = *self ? (**self).user : who.user;
  settings.call_timeout_ms =
      options_.files.call_timeout.ms > 0 ? options_.files.call_timeout.ms : kNoLimitMs;
  settings.tls = {options_.files.cacert, options_.files.cert, options_.files.key};
  metastore_ = std::make_shared<Metastore>(std::move(settings));
  return {};
}

Status HiveSink::open(const StageContext& context) {
  context_ = context;
  if (Status checked = check_options(); !checked) {
    return checked;
  }
  if (context.dry_run) {
    Result<TablePlan> plan = ask_patiently();
    if (!plan) {
      return plan.error();
    }
    const std::string text = plan->text() + "\n";
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
        std::fflush(stdout) != 0) {
      return system_error(ErrorClass::io, "cannot write to stdout", errno);
    }
    return begin(std::move(plan));
  }
  wake_.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) {
    return system_error(ErrorClass::io, "cannot create an eventfd", errno);
  }
  if (Status started = asker_.start(); !started) {
    return started;
  }
  asker_.submit([this] {
    Result<TablePlan> plan = ask_patiently();
    {
      const std::lock_guard lock(mutex_);
      found_ = std::move(plan);
    }
    (void)eventfd_write(wake_.get(), 1);
  });
  return {};
}

Result<TablePlan> HiveSink::ask() const {
  Metastore::Answer<MetastoreTable> answer = metastore_->table(options_.database, options_.table);
  if (!answer) {
    return answer.error();
  }
  if (!answer->result) {
    const std::string name = options_.database + "." + options_.table;
    const std::string text = printable(answer->refusal.text.substr(0, 500));
    switch (answer->refusal.kind) {
      case MetastoreRefusal::Kind::no_such_object:
        return Error{ErrorClass::config,
                     "there is no table " + name + " in " + metastore_->place() + ": " + text,
                     "CREATE EXTERNAL TABLE makes it; tables are never made here"};
      case MetastoreRefusal::Kind::call:
        return Error{ErrorClass::config,
                     metastore_->place() + " cannot describe " + name + ": " + text,
                     "a metastore of Hive 2.3 or later is needed"};
      default:
        return Error{ErrorClass::unavailable,
                     metastore_->place() + " cannot describe " + name + ": " + text,
                     {}};
    }
  }
  return plan_table(std::move(*answer->result), options_, patterns_);
}

// A metastore that is away is asked again for --grace.
Result<TablePlan> HiveSink::ask_patiently() const {
  const std::int64_t give_up = monotonic_ms() + context_.grace_ms;
  const std::atomic<bool>& stop = context_.dry_run ? stop_requested() : metastore_->cancelled();
  bool said = false;
  for (std::int64_t pause = 200;; pause = std::min<std::int64_t>(pause * 2, 2'000)) {
    Result<TablePlan> plan = ask();
    if (plan || plan.error().kind != ErrorClass::unavailable || stop ||
        monotonic_ms() + pause > give_up) {
      return plan;
    }
    if (!said) {
      log(LogLevel::warning, plan.error().message + "; trying again for " +
                                 to_string(Duration{context_.grace_ms}) +
                                 (plan.error().hint.empty() ? "" : "; " + plan.error().hint));
      said = true;
    }
    const std::int64_t next = monotonic_ms() + pause;
    while (monotonic_ms() < next && !stop) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

// The table is known: the sink of files can be made for it.
Status HiveSink::begin(Result<TablePlan> plan) {
  if (!plan) {
    return plan.error();
  }
  const Result<Where> where = where_of(options_, plan->location);
  if (!where) {
    return where.error();
  }
  Result<std::unique_ptr<Store>> store =
      make_store(options_.files, where->location, where->path, context_.grace_ms);
  if (!store) {
    return store.error();
  }
  partitions_ = std::make_shared<Partitions>(metastore_, *plan, options_.create_partitions);
  HdfsParts parts;
  parts.store = make_partitioned_store(std::move(*store), partitions_);
  if (plan->delimited) {
    parts.rows = std::make_unique<DelimitedRows>(std::move(*plan->delimited));
  } else if (plan->serializer == "json") {
    parts.rows = std::make_unique<JsonRows>();
  } else {
    parts.serializer = plan->serializer;
  }
  Result<PartitionNames> names =
      PartitionNames::make(options_, std::move(plan->columns), std::move(plan->patterns));
  if (!names) {
    return names.error();
  }
  parts.names = std::make_unique<PartitionNames>(std::move(*names));
  files_.build_of(std::move(parts));
  if (Status opened = files_.open(context_); !opened) {
    return opened;
  }
  has_table_ = true;
  return {};
}

void HiveSink::watch(PollSet& set, bool room) {
  if (has_table_) {
    files_.watch(set, room);
  } else {
    set.add(wake_.get(), POLLIN);
  }
}

Status HiveSink::handle(const PollSet& set) {
  return has_table_ ? files_.handle(set) : look_for_table();
}

Status HiveSink::look_for_table() {
  if (stop_requested()) {
    return Error{ErrorClass::again, "stopped while waiting for " + metastore_->place(), {}};
  }
  eventfd_t count = 0;
  (void)eventfd_read(wake_.get(), &count);
  std::optional<Result<TablePlan>> found;
  {
    const std::lock_guard lock(mutex_);
    found = std::exchange(found_, std::nullopt);
  }
  return found ? begin(std::move(*found)) : Status();
}

Status HiveSink::close() {
  if (metastore_ != nullptr && !has_table_) {
    metastore_->cancel();
  }
  asker_.finish(false);
  return files_.close();
}

std::string HiveSink::status() const {
  return has_table_ ? files_.status()
                    : "waiting for " + (metastore_ == nullptr ? std::string("the metastore")
                                                              : metastore_->place());
}

void HiveSink::figures(FigureList& out) const {
  files_.figures(out);
  out.counter("partitions_added_total", "Partitions that were added to the metastore.",
              partitions_ == nullptr ? 0 : partitions_->added())
      .said_if_any("partitions added");
}

std::optional<Error> HiveSink::missing() const {
  return has_table_ ? files_.missing() : std::nullopt;
}

}  // namespace fl
