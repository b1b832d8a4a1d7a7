// Which files of a spool directory are delivered, beyond what their names say.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/local_dir.h"
#include "tools/fl-source/spool_probe.h"

namespace fl {

/// A file of the tracker directory with two kinds of records:
///
///   unsettled  all events are delivered, but the file could not be renamed (deleted, marked). The
///              next run does not read it again, it only tries to settle it.
///   settled    the last files that were renamed or marked, to notice when one grows afterwards: a
///              writer had it open, and what it wrote then is not delivered.
///
/// One line a record, appended with one write; a torn last line is skipped. Memory and file are
/// bounded by kMaxSettled, and by the files that cannot be settled.
class SpoolLedger {
 public:
  static constexpr const char* kFileName = ".flumespool-delivered";
  static constexpr std::size_t kMaxSettled = 1024;

  struct Record {
    std::string path;  ///< relative to the spool directory, as it was read
    Identity identity;
  };

  /// `dir` outlives this.
  explicit SpoolLedger(const LocalDir& dir) : dir_(dir) {}

  /// Reads what the last run left. Class io if that is not possible.
  Status load();

  /// The file as it was delivered; null: no such record.
  const Identity* unsettled(std::string_view path) const;
  Status add_unsettled(const std::string& path, const Identity& identity);
  Status remove_unsettled(const std::string& path);

  /// Records a settled file. The oldest record that has to make room for it is returned, to be
  /// checked a last time.
  Result<std::optional<Record>> add_settled(const std::string& path, const Identity& identity);
  /// Removes and returns the record of a settled file.
  std::optional<Record> take_settled(std::string_view path);
  /// Removes the records of settled files for which `is_done` says so.
  void remove_settled(const std::function<bool(const Record&)>& is_done);

  /// Writes the records anew, or removes the file if there are none, and syncs.
  Status save();

 private:
  Status append(char kind, std::string_view path, const Identity& identity);

  const LocalDir& dir_;
  UniqueFd fd_;
  std::size_t bytes_ = 0;  // of the file
  bool exists_ = false;
  bool changed_ = false;
  std::unordered_map<std::string, Identity> unsettled_;
  std::deque<Record> settled_;
};

}  // namespace fl
