// Opening a log for writing after whatever ended the last writer.
#pragma once

#include <string>

#include "common/log/head_file.h"
#include "common/log/log_error.h"
#include "common/log/segments.h"

namespace fl {

/// Where writing continues.
struct LogEnd {
  LogId log{};
  Segment segment;
  std::uint64_t offset = 0;    ///< in the segment: the next record's
  std::uint64_t sequence = 0;  ///< the next event's
  std::string positions;       ///< payload of the newest positions; empty: none
  std::uint64_t positions_offset = 0;
};

/// Finds the end of the log, makes everything before it durable, and publishes it. A new log is
/// made if there is none. The number of system calls does not depend on the size of the log.
///
/// What follows the durable end may have been acknowledged, since the slot that says so may not
/// have survived, so whole records there are kept (one with kFlagHasSecond only if its second is
/// whole, too). But after a failed sync the cache may show what the disk lacks, and another sync of
/// that file would prove nothing: those records are copied to a new segment, and that one is
/// synced. What follows them is a torn tail, which was never reported as safe; it is set aside. The
/// same happens again if this is interrupted.
///
/// `full`: the error is a full disk; nothing has changed, and it can be tried again.
Result<LogEnd> recover_log(LogFiles& files, HeadFile& head, const LogNotify& notify, bool& full);

}  // namespace fl
