// Flume's record of how far a file of a spool directory has been delivered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/local_dir.h"
#include "common/stream/container.h"

namespace fl {

/// The first `offset` bytes of `file` are delivered.
struct SpoolMark {
  std::string file;  ///< absolute path, valid UTF-8
  std::uint64_t offset = 0;
  /// The file as it was when it was opened, to notice that it is another one; -1: not recorded.
  std::int64_t size = -1;
  std::int64_t mtime_ns = -1;
  /// What `offset` counts in: empty for the bytes of the file, as Flume does; else the name of the
  /// text (spool_text.h), which Flume cannot read.
  std::string text = {};
};

/// The file `.flumespool-main.meta`: an Avro container of schema TransferStateFileMeta whose
/// metadata names the data file (key `file`) and whose last whole record counts. Flume reads ours
/// and we read Flume's. The keys fl.size, fl.mtime and fl.text are ours.
///
/// A record is appended with one write; a torn one at the end is skipped by readers. A new data
/// file, or 64 KiB of records, starts a new tracker file, which replaces the old one in one step.
class SpoolTracker {
 public:
  static constexpr const char* kFileName = ".flumespool-main.meta";

  /// `dir` outlives this.
  explicit SpoolTracker(const LocalDir& dir) : dir_(dir) {}

  /// What the file says. Nothing if it does not exist, is empty or has no whole record. Damage is
  /// logged as a warning and counts as nothing.
  Result<std::optional<SpoolMark>> load();
  /// Records the mark. Survives a crash of the process, and after sync() of the machine.
  Status store(const SpoolMark& mark);
  /// Nothing is half delivered: removes the file.
  Status remove();
  Status sync();

 private:
  Status rewrite(const SpoolMark& mark);

  const LocalDir& dir_;
  UniqueFd fd_;  // open once this process has written the file
  Marker marker_{};
  std::string file_;
  std::string text_;
  std::size_t bytes_ = 0;
};

}  // namespace fl
