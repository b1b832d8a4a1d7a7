// Outputs as a user names them: numbers from 1 in the order of --out.
#pragma once

#include <string_view>

#include "common/base/error.h"
#include "common/fanout/fan_out_sink.h"

namespace fl {

/// "1,3" as a set. Class usage: not a list of numbers from 1 to `outputs`.
Result<OutputSet> parse_output_numbers(std::string_view text, std::size_t outputs);

}  // namespace fl
