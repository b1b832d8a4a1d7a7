// The text options as rules for the text reader.
#pragma once

#include "common/component/stage_options.h"
#include "common/stream/text_reader.h"

namespace fl {

/// Errors are of class usage.
Result<LineRules> line_rules(const TextOptions& options);

}  // namespace fl
