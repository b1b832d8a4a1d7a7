// The segments of a log as files: which there are, how one is opened, how one is made.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/log/format.h"
#include "common/log/log_error.h"
#include "common/log/log_files.h"

namespace fl {

/// The first sequences of all segments, from the oldest on.
Result<std::vector<std::uint64_t>> list_segments(LogFiles& files);

/// An open segment. `id` is that of the file's present life.
struct Segment {
  std::uint64_t first = 0;
  std::uint64_t id = 0;
  std::optional<LogId> log;  ///< nothing: the header is damaged, and `id` that of the first record
  std::uint64_t created_ms = 0;   ///< 0: the header is damaged
  std::uint64_t stale_bytes = 0;  ///< format.h; 0 if the header is damaged
  std::unique_ptr<LogFile> file;
};

/// Opens the segment that begins with `first`. Nothing: there is no such file. A damaged header
/// costs no record: its id is that of the first record. With neither the id is 0, which no record
/// has. Errors: class config for a later version, else of the system.
Result<std::optional<Segment>> open_segment(LogFiles& files, std::uint64_t first,
                                            LogFiles::Open how);

/// For people: "'DIR/42.seg' has a damaged header; ..."
std::string damaged_header(const LogFiles& files, std::uint64_t first);

/// A segment that has no name yet: it is filled, synced, and then named.
class NewSegment {
 public:
  /// Makes the file and writes its header. `result`: -errno, or 0. A spare of at most `spare_bytes`
  /// is taken for it (0: none is): a file that does not grow is written and synced faster. What is
  /// in it has another segment's id, which no reader accepts.
  static std::optional<NewSegment> begin(LogFiles& files, const LogId& log, std::uint64_t first,
                                         int& result, std::uint64_t spare_bytes = 0);
  LogFile& file() { return *segment_.file; }
  std::uint64_t id() const { return segment_.id; }
  /// Syncs the file, names it and syncs the directory: then it is durable. After a failure nothing
  /// that is in it counts. `full`: the disk had no room for the name. A sync that fails never
  /// counts as a full disk to wait for, whatever its reason: what it should have kept is lost.
  Status finish(LogFiles& files, Segment& segment, bool& full);

 private:
  bool take_spare(LogFiles& files, std::uint64_t most_bytes);
  int make(LogFiles& files);

  Segment segment_;
  std::string name_;
};

/// Copies the bytes from `from` to `to` of a segment to quarantine/, for people; `name` gets the
/// copy's name, or stays empty where that is not possible (a full disk, no right to write): the log
/// continues without. A copy that is there already stays.
void set_aside(LogFiles& files, LogFile& segment, std::uint64_t sequence, std::uint64_t from,
               std::uint64_t to, std::string& name);

}  // namespace fl
