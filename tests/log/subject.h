// The log as the harness drives it: one process on a disk, which may die at any moment. Everything
// else of the harness is written against this.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/log_files.h"

namespace fl {

/// What one take gave.
struct Taken {
  bool any = false;
  std::uint64_t first = 0;  ///< sequence number
  std::uint32_t count = 0;
  std::string payload;
  std::vector<std::string> gaps;  ///< what was reported missing on the way: "3 at 17"
};

/// Texts are "" or what went wrong.
class Subject {
 public:
  virtual ~Subject() = default;  ///< the process dies: nothing is made good
  virtual std::string open() = 0;
  /// Gives a block to the log. "later": not while this sync runs; "full": no room on the disk.
  virtual std::string put(std::string_view payload, std::uint32_t count) = 0;
  /// Stores a table of the sources' positions that all that was put before reaches, "at N" with the
  /// log's next number. put() does it, too, with every block that ends at a multiple of 3.
  virtual std::string set_positions() = 0;
  /// The newest table.
  virtual std::string positions() = 0;
  /// What was reported since the last call, a line each.
  virtual std::string notices() = 0;
  /// Begins to make durable what was put; more may be put until end_sync() has returned, which is
  /// not part of it.
  virtual std::string begin_sync() = 0;
  virtual std::string end_sync() = 0;
  std::string sync() {
    const std::string begun = begin_sync();
    return begun.empty() ? end_sync() : begun;
  }
  /// Frees the segments that every group has passed.
  virtual std::string free_passed() = 0;
  /// Events acknowledged since open(), of those put.
  virtual std::uint64_t acknowledged() = 0;
  /// Orderly: everything is durable, cursors too.
  virtual std::string close() = 0;

  virtual std::string open_group(const std::string& group) = 0;
  /// Where the group continues.
  virtual std::uint64_t next(const std::string& group) = 0;
  /// The next block for the group, if there is one now.
  virtual std::string take(const std::string& group, Taken& taken) = 0;
  /// All before `sequence` is acknowledged by the group's reader.
  virtual std::string acknowledge(const std::string& group, std::uint64_t sequence) = 0;
  /// What the group has acknowledged is on disk.
  virtual bool is_synced(const std::string& group) = 0;
};

struct SubjectOptions {
  std::uint64_t segment_bytes = 16384;
  bool compressed = false;
  bool keeps_spare = true;            ///< a segment that is freed is overwritten
  std::size_t join_bytes = SIZE_MAX;  ///< a reader makes one block of so many bytes of records
};

std::unique_ptr<Subject> make_subject(std::unique_ptr<LogFiles> files,
                                      const SubjectOptions& options);

}  // namespace fl
