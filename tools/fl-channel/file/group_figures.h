// The figures of a group of takers, from whichever half knows them.
#pragma once

#include <cstdint>
#include <string>

#include "common/component/figures.h"

namespace fl {

/// `lag`: events of the log that it has not acknowledged; `age_ms`: how long it has stood still
/// with them.
inline void add_group_figures(FigureList& out, const std::string& group, std::uint64_t lag,
                              std::int64_t age_ms) {
  out.gauge("group_lag_events", "Events of the log that the group has not acknowledged.", lag,
            {"group", group})
      .said("to take");
  out.gauge("group_age_seconds",
            "Seconds for which the group has had events to take and has not moved; 0: it has "
            "acknowledged everything.",
            lag > 0 && age_ms > 0 ? static_cast<std::uint64_t>(age_ms) / 1000 : 0, {"group", group})
      .said_if_any("seconds without progress");
}

}  // namespace fl
