// The file `head`: how far the log is durable, in two slots that are written in turn.
#pragma once

#include <memory>

#include "common/log/format.h"
#include "common/log/log_files.h"

namespace fl {

/// A reader's view of `head`, or a writer's. It never goes back: a slot that is being written while
/// it is read fails its checksum, and the other one is older.
class HeadFile {
 public:
  /// What the file says; nothing found is not an error.
  enum class State { ok, missing, damaged };

  /// Opens and reads it. Errors: class config for a later version, else of the system.
  static Result<HeadFile> open(LogFiles& files, LogFiles::Open how);

  State state() const { return state_; }
  const HeadSlot& slot() const { return slot_; }
  /// A slot that was written does not hold, by damage or a power loss: it may be the newer one.
  bool lacks_slot() const { return lacks_slot_; }
  /// Goes on with this slot in place of a file that has none.
  void assume(const HeadSlot& slot);
  /// Reads it again; true: it says something newer. A file that appears meanwhile is opened.
  Result<bool> refresh();

  /// Writes the next slot in place; its counter is set here. `full`, here and below: there is no
  /// room on the disk, to be tried again.
  Status publish(HeadSlot slot, bool* full = nullptr);
  Status sync();
  /// False once somebody has removed the file.
  bool has_name() const { return file_->has_name(); }
  /// Creates the file anew; it is durable, name included, once the log's directory is synced.
  Status create(HeadSlot slot, bool& full);

 private:
  explicit HeadFile(LogFiles& files) : files_(&files) {}
  Status read();

  LogFiles* files_;
  LogFiles::Open how_ = LogFiles::Open::read;
  std::unique_ptr<LogFile> file_;
  State state_ = State::missing;
  bool lacks_slot_ = false;
  bool is_synced_ = false;  // what was written last is on disk
  HeadSlot slot_;
};

/// "made by a later version of fl", class config.
Error later_version(const LogFiles& files, const std::string& name);

}  // namespace fl
