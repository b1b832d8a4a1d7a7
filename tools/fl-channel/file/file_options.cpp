#include "tools/fl-channel/file/file_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/moment.h"

namespace fl {

std::string log_directory(const FileOptions& options) {
  const std::string& all = options.directory;
  const std::string first = all.substr(0, all.find(','));
  return first.substr(0, first.find_last_not_of(' ') + 1);
}

std::string repair_hint(const std::string& directory) {
  return fmt::format("fl-channel file '{}' --put < /dev/null repairs it", directory);
}

Result<LogPlace> parse_place(const std::string& text) {
  LogPlace place;
  if (text == "oldest" || text == "newest") {
    place.kind = text == "oldest" ? LogPlace::Kind::oldest : LogPlace::Kind::newest;
    return place;
  }
  if (const Result<std::uint64_t> number = parse_count(text); number) {
    place.kind = LogPlace::Kind::number;
    place.value = *number;
    return place;
  }
  const Result<std::uint64_t> time = parse_moment(text);
  if (!time) {
    return Error{ErrorClass::usage, "'" + printable(text) + "' is not a place in a log",
                 "oldest, newest, the number of an event, or a time such as 2026-01-31T12:30:00"};
  }
  place.kind = LogPlace::Kind::time;
  place.value = *time;
  return place;
}

Result<Retain> parse_retain(const std::string& text) {
  Retain retain;
  if (text == "0") {
    return retain;
  }
  // A size has a unit with B, or K, M, G, T; a time has one of ms, s, m, h, d.
  const char unit = text.empty() ? '0' : text.back();
  if (unit == 's' || unit == 'm' || unit == 'h' || unit == 'd' || text.ends_with("min")) {
    const Result<Duration> time = parse_duration(text);
    if (!time) {
      return time.error();
    }
    retain.ms = time->ms;
    return retain;
  }
  const Result<Bytes> size = parse_bytes(text);
  if (!size || (unit >= '0' && unit <= '9')) {
    return Error{ErrorClass::usage, "'" + printable(text) + "' is neither a size nor a time",
                 "for example 10GiB or 7d"};
  }
  retain.bytes = size->value;
  return retain;
}

Status check_halves(const FileOptions& options) {
  const bool takes_only = options.take && !options.put;
  const bool puts_only = options.put && !options.take;
  std::string_view name;
  if (options.once && !takes_only) {
    name = "once";
  } else if (puts_only) {
    name = options.given.first_of({"group", "from"});
  } else if (takes_only) {
    name = options.given.first_of({"byte-capacity", "when-full", "retain", "log-codec"});
    // Flume's properties set all of these, and so does the command line that is made of them.
    const auto flumes = {"capacity", "reserve", "segment-size"};
    const bool are_flumes = std::all_of(flumes.begin(), flumes.end(),
                                        [&](auto each) { return options.given.has(each); });
    if (name.empty() && !are_flumes) {
      name = options.given.first_of({"capacity", "reserve", "segment-size"});
    }
  }
  if (name.empty()) {
    return {};
  }
  const std::string_view half = takes_only ? "put" : "take";
  return Error{ErrorClass::usage, fmt::format("--{} has no effect without --{}", name, half),
               fmt::format("remove it, or give it to fl-channel file DIR --{}", half)};
}

Result<std::optional<LogModes>> parse_mode(const std::string& text) {
  if (text.empty()) {
    return std::optional<LogModes>();
  }
  unsigned mode = 0;
  for (const char c : text) {
    if (c < '0' || c > '7' || mode > 0777) {
      mode = 0;
      break;
    }
    mode = mode * 8 + static_cast<unsigned>(c - '0');
  }
  if ((mode & 0700) != 0700 || mode > 0777) {
    return Error{ErrorClass::usage, "'" + printable(text) + "' is not a valid mode for a log",
                 "for example 0750, or 0770 for takers of the same group of users"};
  }
  return std::optional(LogModes{mode});
}

OptionSet file_options() {
  using O = FileOptions;
  OptionTable<O> table;
  table
      .add("dataDirs", &O::directory, "DIR",
           "The log's directory; it is made if there is none. Of several, as Flume takes them, "
           "the log uses the first.")
      .named("dir")
      .positional()
      .required()
      .path();
  table.add("put", &O::put, "BOOL", "Only put events into the log; write no stream.").cli_only();
  table.add("take", &O::take, "BOOL", "Only take events from the log; read no input.").cli_only();
  table
      .add("group", &O::group, "NAME",
           "The group that takes. Each group gets every event; a group has one taker at a time.")
      .cli_only()
      .not_empty();
  table
      .add(
          "from", &O::from, "oldest|newest|N|TIME",
          "Where a new group begins: at the oldest event, after the newest one, at event number N, "
          "or at the first event that was put at or after TIME.")
      .cli_only()
      .not_empty();
  table
      .add(
          "once", &O::once, "BOOL",
          "With --take: end when everything that the log holds was taken, instead of waiting "
          "for more. An empty DIR ends with 0, one that does not exist or has other files with 78, "
          "and a log whose head is lost or damaged with 65.")
      .cli_only();
  table
      .add("capacity", &O::capacity, "N",
           "The most events to hold for the slowest group; 0: only the disk limits.")
      .flume("1000000")
      .flume_falls_back(true);
  table
      .add("byteCapacity", &O::byte_capacity, "SIZE",
           "The most space for segments, 8KiB or more; 0: only the disk limits. A block that is "
           "larger goes into an empty log; with --when-full drop-oldest it stays alone.")
      .cli_only();
  table
      .add("whenFull", &O::when_full, "block|drop-oldest",
           "block: stop reading until there is room. drop-oldest: remove the oldest segment, about "
           "a quarter of the limit, also if a group still needs it; the newest events always stay. "
           "What is lost is reported, and the status is then 65.")
      .cli_only()
      .choices({"block", "drop-oldest"});
  table
      .add("retain", &O::retain, "SIZE|TIME",
           "Keep events that all groups have acknowledged up to this size or age, as long as the "
           "log is not full; 0: remove them.")
      .cli_only();
  table
      .add("minimumRequiredSpace", &O::reserve, "SIZE",
           "Free space to leave on the file system for others. If less is free, reading stops. It "
           "must be less than the size of the file system.")
      .named("reserve")
      .flume("524288000")
      .flume_falls_back(false);
  table
      .add("maxFileSize", &O::segment_size, "SIZE",
           "The size of a segment, the unit in which space is freed.")
      .named("segment-size")
      .flume("1623195647")
      .flume_falls_back(false);
  table
      .add("mode", &O::mode, "MODE",
           "Permissions of a directory that is made, less the umask; files get the same without x. "
           "Without it 0750, and what a taker makes has those of DIR.")
      .cli_only()
      .not_empty();

  table
      .add(
          "logCodec", &O::log_codec, "none|zstd",
          "Compress what is put into the log. A log may hold records of both kinds; takers need no "
          "option.")
      .cli_only()
      .choices({"none", "zstd"});

  const std::string no_checkpoint = "the log opens at once and needs no checkpoint";
  table.add("checkpointDir", &O::checkpoint_dir, "DIR", "Directory of the checkpoint.")
      .ignored(no_checkpoint);
  table
      .add("backupCheckpointDir", &O::backup_checkpoint_dir, "DIR",
           "Directory of the second checkpoint.")
      .ignored(no_checkpoint);
  table.add("useDualCheckpoints", &O::use_dual_checkpoints, "BOOL", "Keep a second checkpoint.")
      .ignored(no_checkpoint);
  table
      .add("compressBackupCheckpoint", &O::compress_backup_checkpoint, "BOOL",
           "Compress the second checkpoint.")
      .ignored(no_checkpoint);
  table.add("checkpointInterval", &O::checkpoint_interval, "MS", "Time between checkpoints.")
      .ignored(no_checkpoint);
  table.add("checkpointOnClose", &O::checkpoint_on_close, "BOOL", "Write a checkpoint at the end.")
      .ignored(no_checkpoint);
  table.add("use-log-replay-v1", &O::use_log_replay_v1, "BOOL", "Replay as Flume 1.2 did.")
      .ignored("the log is not replayed");
  table.add("use-fast-replay", &O::use_fast_replay, "BOOL", "Replay in memory.")
      .ignored("the log is not replayed");
  table.add("transactionCapacity", &O::transaction_capacity, "N", "Events in one transaction.")
      .ignored("blocks are passed on whole; there are no transactions");
  table.add("keep-alive", &O::keep_alive, "SECONDS", "Time to wait for room.")
      .ignored("a full channel makes its writer wait as long as it takes");
  table
      .add("fsyncPerTransaction", &O::fsync_per_transaction, "BOOL",
           "Sync each transaction; false: at intervals.")
      .ignored(
          "everything is synced before it is acknowledged; what arrives meanwhile shares the "
          "next sync");
  table.add("fsyncInterval", &O::fsync_interval, "SECONDS", "Time between syncs.")
      .ignored("everything is synced before it is acknowledged");
  for (const auto& [key, help] :
       {std::pair("encryption.activeKey", "The key that encrypts."),
        std::pair("encryption.cipherProvider", "The cipher."),
        std::pair("encryption.keyProvider", "Where keys are."),
        std::pair("encryption.keyProvider.keyStoreFile", "The file of the keys."),
        std::pair("encryption.keyProvider.keyStorePasswordFile", "The file of their password."),
        std::pair("encryption.keyProvider.keys", "The names of the keys.")}) {
    table.add(key, &O::encryption, "TEXT", help)
        .ignored("the log is not encrypted; put it on an encrypted file system");
  }
  table.note_given(&O::given);
  return std::move(table).erased();
}

}  // namespace fl
