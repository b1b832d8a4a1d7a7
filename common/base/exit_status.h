// The exit statuses of every fl program, as the pages and the help show them. The
// numbers of failures are those of ErrorClass.
#pragma once

#include <span>
#include <string_view>

namespace fl {

struct ExitStatus {
  int number = 0;
  std::string_view meaning;  ///< one sentence, lower case, no full stop
};

/// All of them, ascending.
std::span<const ExitStatus> exit_statuses();

}  // namespace fl
