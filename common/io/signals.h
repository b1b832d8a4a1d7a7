// Signals as something a poll loop can see.
#pragma once

#include <atomic>

namespace fl {

/// What has arrived so far. Read by the loop that owns the process's signals.
struct SignalState {
  int stop = 0;         ///< how many TERM and INT (and HUP after the terminal went away)
  bool reopen = false;  ///< HUP; the loop clears it
  bool report = false;  ///< USR1; the loop clears it
};

/// Installs handlers for TERM, INT, HUP and USR1 (without SA_RESTART, so a blocked call returns)
/// and ignores PIPE and XFSZ. Signals that our parent ignores (nohup) stay ignored.
/// Returns a descriptor that is readable when a signal has come. Call once, before any thread.
int watch_signals();
/// That descriptor again, for code that waits before the loop runs; -1 without watch_signals().
int signal_fd();
/// True once TERM or INT has come: for the few calls that block before the loop runs.
const std::atomic<bool>& stop_requested();
/// Takes what came since the last call into `state`.
void take_signals(SignalState& state);

}  // namespace fl
