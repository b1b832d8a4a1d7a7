// Faults that tests put into the log, to see whether they are found. In what is shipped
// (FL_SEEDED_BUGS is not defined) seeded() is the constant false and costs nothing.
#pragma once

#include <string_view>

namespace fl {

/// One fault at one place each, `if (seeded(Bug::ack_before_sync))`. Those that are called hidden
/// have no telling name, so that only the log's behaviour can give them away.
enum class Bug {
  none,
  ack_before_write,        // an event is safe although its record was never written
  ack_before_sync,         // an event is safe as soon as it is written
  publish_before_sync,     // the head names records that are not synced yet
  ack_at_end_of_sync,      // a sync counts for what was appended while it ran
  room_over_records,       // room is made where records were appended that are not synced yet
  no_data_sync,            // fdatasync of a segment is left out
  no_head_sync,            // the head is not synced before a segment gets its name
  no_directory_sync,       // a new segment's name is not synced
  name_before_header,      // a segment gets its name before its header is on disk
  retry_failed_sync,       // a failed fdatasync is tried again, and its success believed
  tail_synced_again,       // opening continues after a tail that may only be in the cache
  copy_moves_places,       // a copy with the old segment's name has another layout
  tail_cut,                // opening drops what follows the durable end
  torn_tail_kept,          // opening accepts a record whose checksum is wrong
  one_slot,                // the head is always written into the same slot
  checksum_ignored,        // a reader does not check the checksum
  read_error_is_end,       // an error of pread counts as the end of a segment
  short_read_is_damage,    // a short pread counts as damage
  short_write_ignored,     // a short pwritev counts as a whole one
  damage_ends_segment,     // a damaged record costs the rest of its segment
  gap_is_silent,           // what is missing is not reported
  stale_record_taken,      // the id of a segment's life is not checked
  reads_past_durable,      // a reader takes what is after the durable end
  cursor_ahead_of_ack,     // a cursor moves when events are handed out
  cursor_behind_ack,       // a cursor never moves
  unlink_before_cursor,    // a segment is removed before the cursor that allows it is synced
  spare_keeps_id,          // a segment that is overwritten keeps the id of its earlier life
  spare_not_removed,       // a segment is overwritten before the removal of its old name is synced
  unlink_unread,           // a segment is removed without regard to the slowest group
  two_takers,              // a group's lock is not checked
  two_putters,             // the log's lock is not checked
  full_is_fatal,           // a full disk ends the log
  full_loses_block,        // what a full disk refused counts as written
  positions_before_block,  // a block's positions are written before it, and count alone
  positions_not_carried,   // a new segment does not begin with a copy of the positions
  positions_damage_ignored,  // damaged positions count as none, and nobody hears of it
  lost_slot_ignored,         // nobody hears of a slot of the head that does not hold
  cursor_unchecked,          // the checksum of a cursor is not checked
  cursor_damage_skips,       // a group whose cursor is damaged continues at the end of the log
  cursor_damage_silent,      // nobody hears of a damaged cursor
  cursor_damage_stays,       // a damaged slot of a cursor is not written again
  cursor_damage_frees,       // a group whose cursor is damaged needs no segment
  hidden_1,
  hidden_2,
  hidden_3,
  hidden_4,
  hidden_5,
  hidden_6,
  hidden_7,
  hidden_8,
  count,
};

#ifdef FL_SEEDED_BUGS
/// True for the bug that set_seeded_bug() chose last, or else $FL_SEEDED_BUG (its name).
bool seeded(Bug bug);
void set_seeded_bug(Bug bug);
/// "ack_before_sync"; Bug::count: no such name.
Bug bug_named(std::string_view name);
std::string_view bug_name(Bug bug);
#else
constexpr bool seeded(Bug) { return false; }
#endif

}  // namespace fl
