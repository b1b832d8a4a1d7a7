// A partition that the kafka source reads, from the time when it gets it until it gives it up.
#pragma once

#include <cstdint>
#include <string>

namespace fl {

struct KafkaSlot {
  std::string topic;
  std::int32_t partition = 0;
  /// False: another member of the group may have it, so nothing of it is handed on or committed.
  bool is_owned = true;
  std::int64_t first = 0;       ///< where it began
  std::int64_t next = 0;        ///< offset after the last record handed on or skipped
  std::int64_t safe = 0;        ///< everything before it is acknowledged
  std::int64_t committed = -1;  ///< the group's offset; -1: none
  std::int64_t asked = -1;      ///< offset in the commit that is in flight
  std::int64_t end_at = -1;     ///< --once: where it ended at the start; -1: it does not matter
  std::int64_t end = -1;        ///< of the partition when it was last asked for; -1: never
  std::uint64_t in_flight = 0;  ///< events handed on and not acknowledged
  std::uint64_t entries = 0;    ///< of the ledger

  /// --once: nothing more is to come of it.
  bool is_read() const { return end_at >= 0 && next >= end_at; }
};

}  // namespace fl
