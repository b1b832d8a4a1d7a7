#include "common/io/signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <initializer_list>

namespace fl {
namespace {

// Written by the handler only.
int g_pipe[2] = {-1, -1};
bool g_had_terminal = false;
std::atomic<bool> g_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // the handler writes it

void on_signal(int number) {
  const int saved = errno;
  if (number == SIGTERM || number == SIGINT) {
    g_stop = true;
  }
  const auto byte = static_cast<unsigned char>(number);
  if (write(g_pipe[1], &byte, 1) < 0) {
    // The pipe is full of signals that nobody took yet: this one changes nothing.
  }
  errno = saved;
}

bool terminal_is_there() {
  const int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) {
    close(fd);
  }
  return fd >= 0;
}

}  // namespace

int watch_signals() {
  if (pipe2(g_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    return -1;
  }
  g_had_terminal = terminal_is_there();
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
  sigaction(SIGXFSZ, &ignore, nullptr);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
    struct sigaction old {};
    sigaction(number, nullptr, &old);
    if (old.sa_handler == SIG_IGN && number != SIGUSR1) {
      continue;
    }
    struct sigaction action {};
    action.sa_handler = on_signal;
    sigaction(number, &action, nullptr);
  }
  return g_pipe[0];
}

int signal_fd() { return g_pipe[0]; }

const std::atomic<bool>& stop_requested() { return g_stop; }

void take_signals(SignalState& state) {
  unsigned char numbers[64];
  ssize_t n = 0;
  while ((n = read(g_pipe[0], numbers, sizeof numbers)) > 0) {
    for (ssize_t i = 0; i < n; ++i) {
      switch (numbers[i]) {
        case SIGHUP:
          if (g_had_terminal && !terminal_is_there()) {
            ++state.stop;
          } else {
            state.reopen = true;
          }
          break;
        case SIGUSR1:
          state.report = true;
          break;
        default:
          ++state.stop;
      }
    }
  }
}

}  // namespace fl
