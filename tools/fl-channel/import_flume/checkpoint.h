// A channel's checkpoint: what was in its queue at one moment.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "tools/fl-channel/import_flume/flume_format.h"

namespace fl::flume {

/// Pointers of the transactions that were open.
using Open = std::vector<std::pair<std::uint64_t, std::vector<Pointer>>>;

struct Checkpoint {
  std::uint64_t order = 0;     ///< of the last record that it knows
  std::vector<Pointer> queue;  ///< committed and not taken, oldest first
  Open puts;
  Open takes;  ///< not in the queue any more
};

/// Reads the checkpoint in `directory`. Errors: it cannot be used (class input: it is damaged, or
/// Flume was writing it), has more than `most` events (class config), cannot be read.
Result<Checkpoint> read_checkpoint(const std::string& directory, std::uint64_t most);

}  // namespace fl::flume
