// How the schema of a row travels with its event: in the headers that Flume's AvroEventSerializer
// reads.
#pragma once

#include <string>

#include "common/base/error.h"
#include "common/event/event.h"
#include "tools/fl-source/sql/avro_row.h"

namespace fl {

/// The encoded header map of each event. Without `directory` it has flume.avro.schema.literal;
/// class config: the schema is longer than a header may be. With one, the schema is written to a
/// file in it, which nobody changes later, and the map has its flume.avro.schema.url; the file is
/// synced before this returns. `is_trial`: nothing is written.
Result<std::string> avro_head(const AvroRow& row, const std::string& directory,
                              const EventLimits& limits, bool is_trial);

}  // namespace fl
