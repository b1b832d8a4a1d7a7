#include "tools/fl-source/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "common/base/clock.h"
#include "common/base/start.h"
#include "common/io/child.h"
#include "common/io/write_end.h"

namespace fl {
namespace {

/// What the keeper reports to us, written at once.
struct Report {
  int exec_error = 0;
  int status = 0;
};

// Everything below runs in the children of a fork: only calls that are safe there.

[[noreturn]] void be_command(char* const* words, int output, int errors, int exec_error,
                             pid_t keeper) {
  follow_parent(keeper);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  if (errors >= 0) {
    ::dup2(errors, STDERR_FILENO);
  }
  if (null > STDERR_FILENO) {
    ::close(null);
  }
  execute(words, exec_error);
}

// Ends what is left of the group. The keeper is the reaper of orphans below it, so that the whole
// group are its children or theirs: ECHILD means that nobody is left, and that the number of the
// group may belong to others now.
void end_group(pid_t group, int child_signals) {
  const auto is_over = [group] {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-group, &status, WNOHANG)) > 0) {}
    return pid < 0 && errno == ECHILD;
  };
  if (is_over()) {
    return;
  }
  ::kill(-group, SIGTERM);
  ::kill(-group, SIGCONT);  // a stopped one gets it, too
  const std::int64_t deadline = monotonic_ms() + Command::kTermMs;
  while (!is_over()) {
    const std::int64_t left = deadline - monotonic_ms();
    if (left <= 0) {
      break;
    }
    pollfd entry{child_signals, POLLIN, 0};
    // A grandchild whose parent leaves it to us later sends no signal: look again now and then.
    if (::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 50))) > 0) {
      signalfd_siginfo info{};
      (void)!::read(child_signals, &info, sizeof info);
    }
  }
  if (is_over()) {
    return;
  }
  ::kill(-group, SIGKILL);
  for (int i = 0; i < 100 && !is_over(); ++i) {
    ::poll(nullptr, 0, 10);
  }
}

// Waits for the command's end and for ours. All signals are blocked.
[[noreturn]] void be_keeper(char* const* words, int control, int result, int output, int errors) {
  ::setpgid(0, 0);                   // Ctrl-C at the terminal is for us; we tell the keeper
  (void)::signal(SIGCHLD, SIG_DFL);  // if our parent ignores it, the statuses would be lost
  ::prctl(PR_SET_NAME, "fl-keeper");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  int exec_error[2];
  Report report;
  if (::pipe2(exec_error, O_CLOEXEC) != 0) {
    report.exec_error = errno;
    (void)!::write(result, &report, sizeof report);
    ::_exit(1);
  }
  const pid_t self = ::getpid();
  const pid_t command = ::fork();
  if (command == 0) {
    be_command(words, output, errors, exec_error[1], self);
  }
  if (command < 0) {
    report.exec_error = errno;
    (void)!::write(result, &report, sizeof report);
    ::_exit(1);
  }
  ::setpgid(command, command);
  ::close(exec_error[1]);
  const int null = ::open("/dev/null", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(null, fd);
  }
  close_others({control, result, exec_error[0]});
  (void)!::read(exec_error[0], &report.exec_error, sizeof report.exec_error);

  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  const int child_signals = ::signalfd(-1, &child, SFD_NONBLOCK);
  bool is_told = false;
  const auto reap = [&] {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid == command && !is_told) {
        is_told = true;
        report.status = status;
        (void)!::write(result, &report, sizeof report);
      }
    }
  };
  for (;;) {
    reap();
    std::array<pollfd, 2> entries{{{control, POLLIN, 0}, {child_signals, POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), -1);
    if (entries[0].revents != 0) {
      break;  // we were told to stop, or are gone
    }
    signalfd_siginfo info{};
    (void)!::read(child_signals, &info, sizeof info);
  }
  reap();  // what had ended before
  end_group(command, child_signals);
  ::_exit(0);
}

}  // namespace

Result<Command> Command::start(const std::vector<std::string>& words, bool capture_errors) {
  Pipe output;
  Pipe errors;
  Pipe result;
  Pipe control;
  for (Pipe* const each : {&output, &errors, &result, &control}) {
    if (each == &errors && !capture_errors) {
      continue;
    }
    Result<Pipe> made = open_pipe();
    if (!made) {
      return made.error();
    }
    *each = std::move(*made);
  }
  const ArgumentVector argv(words);
  const pid_t keeper = fork_blocked();
  if (keeper == 0) {
    be_keeper(argv.data(), control.read.get(), result.write.get(), output.write.get(),
              capture_errors ? errors.write.get() : -1);
  }
  if (keeper < 0) {
    return refused_start(ErrorClass::io, "cannot start a process", errno);
  }
  Command command;
  command.output_ = std::move(output.read);
  // Fewer turns of the command and us, where the system lets us have it.
  (void)::fcntl(command.output_.get(), F_SETPIPE_SZ, static_cast<int>(kLargePipe));
  command.errors_ = std::move(errors.read);
  command.result_ = std::move(result.read);
  command.control_ = std::move(control.write);
  command.keeper_ = keeper;
  for (const int fd : {command.output(), command.errors(), command.result_fd()}) {
    if (fd >= 0) {
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
  }
  return command;
}

const Command::Ended& Command::result() {
  if (!ended_.known && result_) {
    Report report;
    const ssize_t n = ::read(result_.get(), &report, sizeof report);
    if (n == static_cast<ssize_t>(sizeof report)) {
      ended_ = {true, report.exec_error, report.status, false};
    } else if (n >= 0) {
      ended_ = {true, 0, 0, true};
    }
  }
  return ended_;
}

bool Command::is_over() {
  if (keeper_ < 0) {
    return true;
  }
  // The keeper holds the other end of this pipe until it ends.
  for (;;) {
    Report report;
    const ssize_t n = ::read(result_.get(), &report, sizeof report);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return false;
    }
    if (n == 0) {
      break;
    }
    if (!ended_.known) {
      ended_ = {true, report.exec_error, report.status, false};
    }
  }
  int status = 0;
  while (::waitpid(keeper_, &status, 0) < 0 && errno == EINTR) {}
  keeper_ = -1;
  return true;
}

bool Command::wait_for_end() {
  const std::int64_t deadline = monotonic_ms() + kEndMs;
  while (!is_over()) {
    const std::int64_t left = deadline - monotonic_ms();
    if (left <= 0) {
      return false;
    }
    pollfd entry{result_.get(), POLLIN, 0};
    (void)::poll(&entry, 1, static_cast<int>(left));
  }
  return true;
}

std::string exit_text(const Command::Ended& ended) {
  if (ended.is_lost) {
    return "was lost: its keeper was killed";
  }
  if (WIFSIGNALED(ended.status)) {
    const int number = WTERMSIG(ended.status);
    return "was killed by signal " + std::to_string(number) + " (" + strsignal(number) + ")";
  }
  return "exited with status " + std::to_string(WEXITSTATUS(ended.status));
}

}  // namespace fl
