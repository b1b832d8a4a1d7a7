// How a stage that reads text treats the lines that --long-line reject refuses.
#pragma once

#include <string>

#include "common/component/component.h"
#include "common/stream/line_form.h"
#include "common/stream/rejected_line.h"

namespace fl {

/// With --reject each such line is kept there as an event: as much of it as an event may hold, with
/// its length in the reason. Without it the lines are only counted. `limit`: what they exceed, for
/// example "--max-line (50)". `map`: the encoded headers of the events, read anew for each line;
/// null: none. Rejects and `map` outlive the result.
RejectedLine reject_lines(Rejects* rejects, const EventLimits& limits, std::string limit,
                          const std::string* map = nullptr);

/// A line that is not an event in a form (stream/line_form.h) is kept whole, as far as an event may
/// hold it, with the reason. `input` names where it comes from. Rejects outlives the result.
RefusedLine reject_line(Rejects* rejects, const EventLimits& limits, std::string input);

}  // namespace fl
