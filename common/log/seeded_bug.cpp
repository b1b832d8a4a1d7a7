#include "common/log/seeded_bug.h"

#ifdef FL_SEEDED_BUGS

#include <array>
#include <atomic>
#include <cstdlib>

namespace fl {
namespace {

constexpr std::array<std::string_view, static_cast<std::size_t>(Bug::count)> kNames = {
    "none",
    "ack_before_write",
    "ack_before_sync",
    "publish_before_sync",
    "ack_at_end_of_sync",
    "room_over_records",
    "no_data_sync",
    "no_head_sync",
    "no_directory_sync",
    "name_before_header",
    "retry_failed_sync",
    "tail_synced_again",
    "copy_moves_places",
    "tail_cut",
    "torn_tail_kept",
    "one_slot",
    "checksum_ignored",
    "read_error_is_end",
    "short_read_is_damage",
    "short_write_ignored",
    "damage_ends_segment",
    "gap_is_silent",
    "stale_record_taken",
    "reads_past_durable",
    "cursor_ahead_of_ack",
    "cursor_behind_ack",
    "unlink_before_cursor",
    "spare_keeps_id",
    "spare_not_removed",
    "unlink_unread",
    "two_takers",
    "two_putters",
    "full_is_fatal",
    "full_loses_block",
    "positions_before_block",
    "positions_not_carried",
    "positions_damage_ignored",
    "lost_slot_ignored",
    "cursor_unchecked",
    "cursor_damage_skips",
    "cursor_damage_silent",
    "cursor_damage_stays",
    "cursor_damage_frees",
    "hidden_1",
    "hidden_2",
    "hidden_3",
    "hidden_4",
    "hidden_5",
    "hidden_6",
    "hidden_7",
    "hidden_8",
};

Bug from_environment() {
  const char* const name = std::getenv("FL_SEEDED_BUG");
  return name == nullptr ? Bug::none : bug_named(name);
}

std::atomic<Bug>& chosen() {
  static std::atomic<Bug> bug{from_environment()};
  return bug;
}

}  // namespace

bool seeded(Bug bug) { return chosen().load(std::memory_order_relaxed) == bug; }

void set_seeded_bug(Bug bug) { chosen() = bug; }

Bug bug_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      return static_cast<Bug>(i);
    }
  }
  return Bug::count;
}

std::string_view bug_name(Bug bug) {
  return bug < Bug::count ? kNames[static_cast<std::size_t>(bug)] : std::string_view();
}

}  // namespace fl

#endif
