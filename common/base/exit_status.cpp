#include "common/base/exit_status.h"

#include <array>

namespace fl {

std::span<const ExitStatus> exit_statuses() {
  static constexpr std::array<ExitStatus, 10> kStatuses = {{
      {0,
       "every event read was acknowledged, durably written, or passed to a reader that asked for "
       "no more"},
      {64, "the command line is wrong"},
      {65, "damaged or rejected input; --reject keeps rejected events"},
      {69, "a peer is unavailable, or the reader does not acknowledge"},
      {70, "a bug in this program"},
      {73, "cannot create a file or directory"},
      {74, "an input or output operation failed"},
      {75, "stopped with unacknowledged events, or the previous stage stopped early: run it again"},
      {77, "no permission, or authentication failed"},
      {78, "the configuration is wrong or missing"},
  }};
  return kStatuses;
}

}  // namespace fl
