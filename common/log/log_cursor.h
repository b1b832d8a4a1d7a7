// How far each group of takers has got: one file for each group.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/log/format.h"
#include "common/log/log_error.h"
#include "common/log/log_lock.h"

namespace fl {

/// The names of all groups, sorted. A log without any has an empty list.
Result<std::vector<std::string>> list_groups(LogFiles& files);

/// Class config, with the groups there are.
Error no_such_group(LogFiles& files, const std::string& group);

/// A group as its file has it, in use or not. `how` is not ok: the numbers mean nothing.
struct GroupState {
  std::string name;
  Decoded how = Decoded::damaged;
  CursorSlot slot;
  /// One of the two slots does not hold: the group may be further on than the other one says.
  bool lacks_slot = false;
  std::optional<Error> sync_error;
};
/// Reads it, and then makes it durable if `synced`: what was read is on disk unless there is a
/// sync_error. A group that is not there any more is Decoded::damaged with an empty name.
Result<GroupState> read_group(LogFiles& files, const std::string& name, bool synced);

/// For people: "one of the two positions of group 'a' is damaged"; empty: nothing is wrong, and the
/// group is one of the log with this id.
std::string damaged_position(const GroupState& state, const LogId& log);

/// The largest number that a group has got to; 0 where none can be read.
std::uint64_t highest_cursor(LogFiles& files);

/// Locks groups/.lock, which is held while a group is made, moved or removed, and while segments
/// are freed. Waits at most for some seconds. Held until the file is closed.
Result<std::unique_ptr<LogFile>> lock_groups(LogFiles& files);

/// The cursor of one group, held by one taker until it is destroyed. A move is in the file at once,
/// and on disk after sync(): a crash between the two only makes events come again. What is on disk
/// is never overwritten before something newer is on disk, so no power loss destroys the cursor. A
/// failed sync leaves in the page cache what is not on disk and what no later sync would store: it
/// is written again after the failure, and so is what open() reads before it is synced.
class LogCursor {
 public:
  struct Settings {
    std::string group = "default";
    LogId log{};
    std::uint64_t durable_sequence = 0;  ///< no cursor is behind it
    /// The first event that the log has. A group whose file is damaged begins there: nobody knows
    /// what it has acknowledged.
    std::uint64_t oldest = 0;
    std::function<Result<std::uint64_t>()> start;  ///< where a new group begins
    LogNotify notify;
    /// Becomes true if open() fails because the disk has no space for a new group: that passes.
    bool* has_no_room = nullptr;
  };

  /// Opens the group's cursor, or makes it. Damage is reported and repaired; because of it events
  /// come again, and none is passed over. Errors: class again if another taker has it.
  static Result<LogCursor> open(LogFiles& files, const Settings& settings);

  const std::string& group() const { return group_; }
  std::uint64_t next() const { return slot_.next_sequence; }
  std::uint64_t moved_ms() const { return slot_.moved_ms; }
  /// When the group was made, or moved by move_group(): places from before do not count.
  std::uint64_t created_ms() const { return slot_.created_ms; }
  /// All before `sequence` are acknowledged.
  Status move(std::uint64_t sequence);
  /// What was moved is on disk after success. Makes no system call if there is nothing to do. After
  /// a failure the cursor is unusable.
  Status sync();
  /// The same in three steps, of which the second may run in another thread. What is moved
  /// meanwhile is in the file after the third, which comes only if the second has succeeded.
  void begin_sync();
  Status sync_file();
  Status finish_sync();

 private:
  explicit LogCursor(LogFiles& files) : files_(&files) {}
  std::string name() const;
  std::string repair(Decoded how, bool lacks_slot, const Settings& settings);
  Status rewrite();
  Status write();

  LogFiles* files_;
  std::string group_;
  LogLock lock_;
  CursorSlot slot_;
  CursorSlot syncing_;  // as it was when the sync began
  std::optional<Error> sync_error_;
  bool is_dirty_ = false;  // what was written last is not synced
  bool is_syncing_ = false;
  bool is_waiting_ = false;  // a move, for the end of that
};

/// Moves the cursor of a group that nobody uses, in either direction, durably. Makes none. From
/// then on the group counts as a new one: what a stage below remembers of it is void.
Status move_group(LogFiles& files, const LogId& log, const std::string& group,
                  std::uint64_t sequence);
struct GroupMove {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};
/// The same, to where `target` says, which is given the number of the group's next event; nothing
/// if its position is damaged. An error of `target` is the result.
Result<GroupMove> move_group(
    LogFiles& files, const LogId& log, const std::string& group,
    const std::function<Result<std::uint64_t>(std::optional<std::uint64_t> next)>& target);
/// Removes a group that nobody uses.
Status remove_group(LogFiles& files, const std::string& group);

}  // namespace fl
