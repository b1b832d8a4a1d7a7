#include "common/log/log_cursor.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/log.h"
#include "common/log/head_file.h"
#include "common/log/log_io.h"
#include "common/log/seeded_bug.h"

namespace fl {
namespace {

constexpr int kLockTries = 500;
constexpr int kLockPauseMs = 10;

std::string name_of(const std::string& group) { return std::string(kGroupsName) + "/" + group; }

std::string_view view(const SlotBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Makes a group's file, durable, name included. 0 or -errno.
int make_cursor(LogFiles& files, const std::string& group, const CursorSlot& slot) {
  const std::string name = name_of(group);
  const std::string made = name_of("." + group + ".tmp");
  std::string bytes(kCursorBytes, '\0');
  bytes.replace(slot_offset(slot.counter, kCursorSlotDistance), kSlotBytes, view(encode(slot)));
  std::unique_ptr<LogFile> file;
  int result = uninterrupted([&] { return files.open(made, LogFiles::Open::create, file); });
  if (result == 0) {
    result = write_fully(*file, bytes, 0);
  }
  if (result == 0) {
    result = sync_fully(*file);
  }
  if (result == 0) {
    result = uninterrupted([&] { return files.rename(made, name); });
  }
  if (result == 0) {
    result = uninterrupted([&] { return files.sync_dir(kGroupsName); });
  }
  if (result != 0) {
    (void)files.unlink(made);
  }
  return result;
}

// Reads the slots of an open cursor. `lacks`: the other one than the newest does not hold.
Result<Decoded> read_slots(LogFiles& files, LogFile& file, const std::string& name,
                           CursorSlot& slot, bool& lacks) {
  std::string bytes;
  std::string before;
  Decoded how = Decoded::damaged;
  // One that is just being written is another one when it is read again.
  do {
    before = std::move(bytes);
    if (const std::int64_t n = read_fully(file, bytes, kCursorHolderOffset, 0); n < 0) {
      return log_error(files, "read", name, n);
    }
    how = newest_slot(bytes, kCursorSlotDistance, slot);
    lacks = how == Decoded::ok && has_lost_slot(bytes, kCursorSlotDistance, slot.counter);
  } while (lacks && bytes != before);
  return how;
}

Status write_slot(LogFiles& files, LogFile& file, const std::string& name, const CursorSlot& slot) {
  const int written =
      write_fully(file, view(encode(slot)), slot_offset(slot.counter, kCursorSlotDistance));
  return written == 0 ? Status() : Status(log_error(files, "write", name, written));
}

// Syncs `slot`, which is in the file. After a failure it is written again: what a failed sync
// leaves in the page cache is clean, so the next one, even another process's, would succeed and
// store nothing.
Status sync_slot(LogFiles& files, LogFile& file, const std::string& name, const CursorSlot& slot) {
  const int synced = sync_fully(file);
  if (synced == 0) {
    return {};
  }
  (void)write_slot(files, file, name, slot);
  return log_error(files, "sync", name, synced);
}

// The same for what was read, which may be what a failed sync of another process has left.
Status sync_what_is_read(LogFiles& files, LogFile& file, const std::string& name, Decoded how,
                         const CursorSlot& slot) {
  if (how != Decoded::ok) {
    const int synced = sync_fully(file);
    return synced == 0 ? Status() : Status(log_error(files, "sync", name, synced));
  }
  Status written = write_slot(files, file, name, slot);
  return written ? sync_slot(files, file, name, slot) : written;
}

// Opens and locks the file of a group; nothing: there is none. `is_cut`: it was too short for two
// slots before the text of the lock filled it up.
Result<LogLock> take_group(LogFiles& files, const std::string& group, bool& exists, bool& is_cut) {
  const std::string name = name_of(group);
  std::unique_ptr<LogFile> file;
  const int opened = uninterrupted([&] { return files.open(name, LogFiles::Open::write, file); });
  exists = opened != -ENOENT;
  if (!exists) {
    return LogLock();
  }
  if (opened != 0) {
    return log_error(files, "open", name, opened);
  }
  const std::int64_t size = file->size();
  if (size < 0) {
    return log_error(files, "stat", name, size);
  }
  is_cut = size < static_cast<std::int64_t>(kCursorHolderOffset);
  return LogLock::take(files, std::move(file), name, kCursorHolderOffset,
                       fmt::format("group '{}' of '{}' is taken", group, files.path()));
}

}  // namespace

Result<std::vector<std::string>> list_groups(LogFiles& files) {
  std::vector<std::string> names;
  const int listed = uninterrupted([&] {
    names.clear();
    return files.list(kGroupsName, names);
  });
  if (listed != 0 && listed != -ENOENT) {
    return log_error(files, "list", kGroupsName, listed);
  }
  std::erase_if(names, [](const std::string& name) { return !is_group_name(name); });
  std::sort(names.begin(), names.end());
  return names;
}

Error no_such_group(LogFiles& files, const std::string& group) {
  const Result<std::vector<std::string>> names = list_groups(files);
  std::string known;
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    known += (known.empty() ? "its groups: '" : ", '") + name + "'";
  }
  return {ErrorClass::config, "'" + files.path() + "' has no group '" + printable(group) + "'",
          known.empty() ? "it has no groups yet" : known};
}

Result<GroupState> read_group(LogFiles& files, const std::string& group, bool synced) {
  const std::string name = name_of(group);
  std::unique_ptr<LogFile> file;
  const int opened = uninterrupted([&] { return files.open(name, LogFiles::Open::read, file); });
  GroupState state;
  if (opened == -ENOENT) {
    return state;
  }
  if (opened != 0) {
    return log_error(files, "open", name, opened);
  }
  state.name = group;
  Result<Decoded> how = read_slots(files, *file, name, state.slot, state.lacks_slot);
  if (!how) {
    return how.error();
  }
  state.how = *how;
  // What was read may be newer than what is on disk; once this has succeeded it is not.
  if (synced && !seeded(Bug::unlink_before_cursor)) {
    if (const int result = sync_fully(*file); result != 0) {
      state.sync_error = log_error(files, "sync", name, result);
    }
  }
  return state;
}

std::string damaged_position(const GroupState& state, const LogId& log) {
  if (state.how != Decoded::ok) {
    return fmt::format("the position of group '{}' is damaged", state.name);
  }
  if (state.slot.log != log) {
    return fmt::format("the position of group '{}' belongs to another log", state.name);
  }
  return state.lacks_slot
             ? fmt::format(
                   "one of the two positions of group '{}' is damaged, perhaps the newer one",
                   state.name)
             : std::string();
}

std::uint64_t highest_cursor(LogFiles& files) {
  std::uint64_t highest = 0;
  const Result<std::vector<std::string>> names = list_groups(files);
  if (!names) {
    return 0;
  }
  for (const std::string& name : *names) {
    if (const Result<GroupState> state = read_group(files, name, false);
        state && state->how == Decoded::ok) {
      highest = std::max(highest, state->slot.next_sequence);
    }
  }
  return highest;
}

Result<std::unique_ptr<LogFile>> lock_groups(LogFiles& files) {
  std::unique_ptr<LogFile> file;
  int result =
      uninterrupted([&] { return files.open(kGroupsLockName, LogFiles::Open::create, file); });
  if (result != 0) {
    return log_error(files, "open", kGroupsLockName, result);
  }
  for (int i = 0; i < kLockTries; ++i) {
    result = uninterrupted([&] { return file->lock(LogFile::Lock::exclusive); });
    if (result != -EWOULDBLOCK) {
      break;
    }
    (void)::poll(nullptr, 0, kLockPauseMs);
  }
  if (result != 0) {
    return log_error(files, "lock", kGroupsLockName, result);
  }
  return file;
}

std::string LogCursor::name() const { return name_of(group_); }

Result<LogCursor> LogCursor::open(LogFiles& files, const Settings& settings) {
  LogCursor cursor(files);
  cursor.group_ = settings.group;
  if (!is_group_name(settings.group)) {
    return Error{ErrorClass::usage,
                 fmt::format("'{}' is not a valid group name", printable(settings.group)),
                 "1 to 64 letters, digits, '_', '-' and '.', not beginning with '.'"};
  }
  Result<std::unique_ptr<LogFile>> lock = lock_groups(files);
  if (!lock) {
    return lock.error();
  }
  const auto now = static_cast<std::uint64_t>(files.now_ms());
  bool exists = false;
  bool is_cut = false;
  Result<LogLock> taken = take_group(files, settings.group, exists, is_cut);
  if (taken && !exists) {
    const Result<std::uint64_t> start = settings.start();
    if (!start) {
      return start.error();
    }
    const CursorSlot slot{1, settings.log, *start, now, now};
    if (const int made = make_cursor(files, settings.group, slot); made != 0) {
      if (settings.has_no_room != nullptr) {
        *settings.has_no_room = is_full(made);
      }
      return log_error(files, "make", name_of(settings.group), made);
    }
    taken = take_group(files, settings.group, exists, is_cut);
  }
  if (!taken) {
    return taken.error();
  }
  if (!*taken) {
    return log_error(files, "open", cursor.name(), -ENOENT);
  }
  cursor.lock_ = std::move(*taken);
  bool lacks = false;
  Result<Decoded> how = read_slots(files, cursor.lock_.file(), cursor.name(), cursor.slot_, lacks);
  if (!how) {
    return how.error();
  }
  if (*how == Decoded::other_version) {
    return later_version(files, cursor.name());
  }
  if (exists) {  // a killed taker may not have
    if (Status synced =
            sync_what_is_read(files, cursor.lock_.file(), cursor.name(), *how, cursor.slot_);
        !synced) {
      return synced.error();
    }
  }
  if (const std::string wrong = cursor.repair(*how, lacks || is_cut, settings); !wrong.empty()) {
    if (settings.notify && !seeded(Bug::cursor_damage_silent)) {
      settings.notify({LogNotice::Kind::state, 0, 0,
                       fmt::format("group '{}' of '{}': {}; starting at event {}", settings.group,
                                   files.path(), wrong, cursor.next())});
    }
    if (Status written = cursor.rewrite(); !written) {
      return written.error();
    }
  }
  return cursor;
}

// Sets the slot to what is to be written; what was wrong with it, or nothing.
std::string LogCursor::repair(Decoded how, bool lacks_slot, const Settings& settings) {
  std::string wrong;
  const bool is_foreign = how == Decoded::ok && slot_.log != settings.log;
  if (how != Decoded::ok || is_foreign) {
    const auto now = static_cast<std::uint64_t>(files_->now_ms());
    wrong = is_foreign ? "its position belongs to another log" : "its position is damaged";
    slot_ = {slot_.counter, settings.log,
             seeded(Bug::cursor_damage_skips) ? settings.durable_sequence : settings.oldest, now,
             now};
  } else if (lacks_slot) {
    // If it was the newer one, it was on disk when what comes before `oldest` was freed.
    wrong = "one of its two positions is damaged, perhaps the newer one";
    slot_.next_sequence = std::max(slot_.next_sequence, settings.oldest);
  }
  if (slot_.next_sequence > settings.durable_sequence) {
    wrong += (wrong.empty() ? "" : ", and ") +
             fmt::format("its position {} is after the end of the log", slot_.next_sequence);
    slot_.next_sequence = settings.durable_sequence;
  }
  return wrong;
}

// Both slots, one after the other: then each of them holds.
Status LogCursor::rewrite() {
  for (int i = seeded(Bug::cursor_damage_stays) ? 2 : 0; i < 2; ++i) {
    if (Status moved = move(slot_.next_sequence); !moved) {
      return moved;
    }
    if (Status synced = sync(); !synced) {
      return synced;
    }
  }
  return {};
}

Status LogCursor::move(std::uint64_t sequence) {
  if (seeded(Bug::cursor_behind_ack)) {
    return {};
  }
  slot_.next_sequence = sequence;
  slot_.moved_ms = static_cast<std::uint64_t>(files_->now_ms());
  if (is_syncing_) {
    is_waiting_ = true;
    return {};
  }
  return sync_error_ ? Status(*sync_error_) : write();
}

Status LogCursor::write() {
  if (!seeded(Bug::hidden_1)) {
    slot_.counter = next_counter(slot_.counter, !is_dirty_);
  } else if (slot_.counter == 1) {
    slot_.counter = 2;
  }
  is_dirty_ = true;
  return write_slot(*files_, lock_.file(), name(), slot_);
}

void LogCursor::begin_sync() {
  is_syncing_ = true;
  syncing_ = slot_;
}

Status LogCursor::finish_sync() {
  is_syncing_ = false;
  is_dirty_ = false;
  return std::exchange(is_waiting_, false) ? write() : Status();
}

Status LogCursor::sync() {
  if (!is_dirty_) {
    return {};
  }
  begin_sync();
  if (Status synced = sync_file(); !synced) {
    is_syncing_ = false;
    return synced;
  }
  return finish_sync();
}

Status LogCursor::sync_file() {
  if (!sync_error_) {
    if (Status synced = sync_slot(*files_, lock_.file(), name(), syncing_); !synced) {
      sync_error_ = synced.error();
    }
  }
  return sync_error_ ? Status(*sync_error_) : Status();
}

Status move_group(LogFiles& files, const LogId& log, const std::string& group,
                  std::uint64_t sequence) {
  const Result<GroupMove> moved = move_group(files, log, group, [&](std::optional<std::uint64_t>) {
    return Result<std::uint64_t>(sequence);
  });
  return moved ? Status() : Status(moved.error());
}

Result<GroupMove> move_group(
    LogFiles& files, const LogId& log, const std::string& group,
    const std::function<Result<std::uint64_t>(std::optional<std::uint64_t> next)>& target) {
  Result<std::unique_ptr<LogFile>> lock = lock_groups(files);
  if (!lock) {
    return lock.error();
  }
  bool exists = false;
  bool is_cut = false;
  Result<LogLock> taken = take_group(files, group, exists, is_cut);
  if (!taken) {
    return taken.error();
  }
  if (!exists) {
    return no_such_group(files, group);
  }
  const std::string name = name_of(group);
  CursorSlot slot;
  bool lacks = false;
  Result<Decoded> how = read_slots(files, taken->file(), name, slot, lacks);
  if (!how) {
    return how.error();
  }
  if (*how == Decoded::other_version) {
    return later_version(files, name);
  }
  // A killed taker may not have.
  if (Status synced = sync_what_is_read(files, taken->file(), name, *how, slot); !synced) {
    return synced.error();
  }
  const bool is_known = *how == Decoded::ok && slot.log == log;
  const Result<std::uint64_t> to =
      target(is_known ? std::optional(slot.next_sequence) : std::nullopt);
  if (!to) {
    return to.error();
  }
  const GroupMove move{is_known ? slot.next_sequence : *to, *to};
  slot.log = log;
  slot.next_sequence = *to;
  slot.moved_ms = static_cast<std::uint64_t>(files.now_ms());
  slot.created_ms = std::max(slot.moved_ms, slot.created_ms + 1);
  for (int i = 0; i < (is_known && !lacks && !is_cut ? 1 : 2); ++i) {  // a damaged slot, too
    slot.counter = next_counter(slot.counter, true);
    if (Status written = write_slot(files, taken->file(), name, slot); !written) {
      return written.error();
    }
    if (Status synced = sync_slot(files, taken->file(), name, slot); !synced) {
      return synced.error();
    }
  }
  return move;
}

Status remove_group(LogFiles& files, const std::string& group) {
  Result<std::unique_ptr<LogFile>> lock = lock_groups(files);
  if (!lock) {
    return lock.error();
  }
  bool exists = false;
  bool is_cut = false;
  Result<LogLock> taken = take_group(files, group, exists, is_cut);
  if (!taken) {
    return taken.error();
  }
  if (!exists) {
    return no_such_group(files, group);
  }
  int result = uninterrupted([&] { return files.unlink(name_of(group)); });
  if (result == 0) {
    result = uninterrupted([&] { return files.sync_dir(kGroupsName); });
  }
  return result == 0 ? Status() : Status(log_error(files, "remove", name_of(group), result));
}

}  // namespace fl
