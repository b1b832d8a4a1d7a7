// The options of fl-channel file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/units.h"
#include "common/log/log_files.h"
#include "common/option/option_table.h"

namespace fl {

struct FileOptions {
  std::string directory;
  bool put = false;
  bool take = false;
  std::string group = "default";
  std::string from = "oldest";
  bool once = false;
  std::uint64_t capacity = 0;
  Bytes byte_capacity{0};
  std::string when_full = "block";
  std::string retain = "0";
  Bytes reserve{16u << 20};
  Bytes segment_size{64u << 20};
  std::string mode;
  std::string log_codec = "none";

  // Flume's, without effect here.
  std::string checkpoint_dir;
  std::string backup_checkpoint_dir;
  bool use_dual_checkpoints = false;
  bool compress_backup_checkpoint = false;
  std::uint64_t transaction_capacity = 10'000;
  std::uint64_t checkpoint_interval = 30'000;
  bool checkpoint_on_close = true;
  std::uint64_t keep_alive = 3;
  bool use_log_replay_v1 = false;
  bool use_fast_replay = false;
  bool fsync_per_transaction = true;
  std::uint64_t fsync_interval = 5;
  std::string encryption;

  GivenOptions given;
};

OptionSet file_options();

/// Class usage for an option of the command line that has no effect on the half that runs alone.
Status check_halves(const FileOptions& options);

/// The log's directory: of several, as Flume separates them by commas, the first.
std::string log_directory(const FileOptions& options);

/// What to do about a damaged head: "fl-channel file 'DIR' --put < /dev/null repairs it".
std::string repair_hint(const std::string& directory);

/// What --retain says: a size or a time; 0 is nothing.
struct Retain {
  std::uint64_t bytes = 0;
  std::int64_t ms = 0;
};
Result<Retain> parse_retain(const std::string& text);

/// Where a group begins (--from, --to): a word, an event's number, or a time.
struct LogPlace {
  enum class Kind { oldest, newest, number, time };
  Kind kind = Kind::oldest;
  std::uint64_t value = 0;  ///< the number, or milliseconds since 1970
};
/// "oldest", "newest", "1234", "2026-01-31", "2026-01-31T12:30:00", the same with Z (UTC), or
/// "@1767225600" (seconds since 1970). Without Z it is local time.
Result<LogPlace> parse_place(const std::string& text);

/// "0750": at most three octal digits after zeros. Nothing: the option is not given.
Result<std::optional<LogModes>> parse_mode(const std::string& text);

}  // namespace fl
