// One run of a filter: bytes into a command's stdin, what it prints back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

struct FilterLimits {
  std::int64_t silent_ms = 60'000;  ///< without reading, printing or ending
  std::int64_t grace_ms = 10'000;   ///< in all, once TERM or INT has come
  std::size_t output_bytes = 64 << 20;
};

/// Runs `words`, gives it `input` as stdin and fills `output` with its stdout; returns its status
/// as of wait(2). Reads and writes at once, so that neither waits for the other. A command that
/// closes its stdin early is not an error.
///
/// The command has a process group of its own, signals at their defaults (SIGPIPE too), our stderr
/// and what else we were started with (`sed -f <(…)`), none of what we opened. When this returns,
/// nothing of the group is left; if we are killed, so is the command. Errors: it cannot be started
/// (config), is silent for too long (unavailable), prints too much (input); a signal came and the
/// grace is over (again).
Result<int> run_filter(const std::vector<std::string>& words, std::string_view input,
                       const FilterLimits& limits, std::string& output);

}  // namespace fl
