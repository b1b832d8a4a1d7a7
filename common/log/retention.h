// What a log holds, for whom, and which segments may go.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/log/log_cursor.h"
#include "common/log/log_error.h"
#include "common/log/log_files.h"

namespace fl {

/// What is known of a sealed segment, which does not change any more.
struct SegmentFacts {
  std::uint64_t bytes = 0;
  std::uint64_t created_ms = 0;
};
/// By first sequence.
using KnownSegments = std::map<std::uint64_t, SegmentFacts>;

struct RetentionSettings {
  std::uint64_t keep_bytes = 0;  ///< segments that every group has passed are kept up to this size
  std::int64_t keep_ms = 0;      ///< ... or up to this age
  bool drops_oldest = false;     ///< the oldest segment is removed, needed or not
  bool needs_room = false;       ///< ... if every group has passed it, although it would be kept
  bool keeps_spare = false;      ///< the one removed last stays as the spare of the next segment
  std::optional<LogId> log;      ///< a group whose position is one of another log needs everything
};

/// What one check of the log has found.
struct LogUse {
  std::vector<GroupState> groups;
  /// Events before this one have been acknowledged by every group; without groups the oldest one
  /// that is there.
  std::uint64_t needed = 0;
  std::string slowest;  ///< the group that needs it; empty: there is none
  /// A group could not be read: it needs everything.
  std::optional<Error> read_error;
  /// Of the oldest segment that is there now.
  std::uint64_t first = 0;
  std::uint64_t sealed_bytes = 0;  ///< in all segments except the one in use
  std::uint64_t segments_freed = 0;
  std::uint64_t events_dropped = 0;  ///< not acknowledged by the slowest group, and gone
  /// The writer must end: what a failed sync has lost another one would not bring back.
  std::optional<Error> sync_error;
};

/// Looks at all groups, and removes segments that no group needs. A cursor that allows it is synced
/// first: no state that still needs a segment comes back after a power loss. Called by the writer
/// alone, with its list of segments, of which the last one always stays. A group that cannot be
/// read needs everything. `known` is for the next call, so that each segment is examined once.
/// Errors: of the system, except of a sync; what was removed before is gone, the rest is left for
/// the next call.
Result<LogUse> free_segments(LogFiles& files, const std::vector<std::uint64_t>& segments,
                             const RetentionSettings& settings, KnownSegments* known = nullptr);

}  // namespace fl
