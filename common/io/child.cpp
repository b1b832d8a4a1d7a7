#include "common/io/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <utility>

namespace fl {
namespace {

void close_range_of(unsigned first, unsigned last) {
  if (::close_range(first, last, 0) == 0) {
    return;
  }
  constexpr unsigned kMost = 1 << 16;  // a kernel without that call
  for (unsigned fd = first; fd <= std::min(last, kMost); ++fd) {
    ::close(static_cast<int>(fd));
  }
}

void reset_signals() {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0) {
      continue;
    }
    // The runner ignores PIPE and XFSZ for itself.
    if (action.sa_handler != SIG_IGN || number == SIGPIPE || number == SIGXFSZ) {
      action = {};
      action.sa_handler = SIG_DFL;
      ::sigaction(number, &action, nullptr);
    }
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool is_executable(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Status check_command(const std::string& word) {
  bool found = word.find('/') != std::string::npos && is_executable(word);
  const char* const path = std::getenv("PATH");
  std::string_view rest = word.find('/') == std::string::npos && path != nullptr ? path : "";
  while (!found && !rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    const std::string folder = end == 0 ? "." : std::string(rest.substr(0, end));
    found = is_executable(folder + "/" + word);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (found) {
    return {};
  }
  return Error{ErrorClass::config, "cannot run '" + word + "': no such program",
               "a name is looked up in PATH; a shell's own commands need sh -c '...'"};
}

std::string shell_word_hint(const std::vector<std::string>& words) {
  constexpr std::string_view kShellWords[] = {"|", "||", "&&", "&", ";", "<", ">", ">>", "2>&1"};
  std::string line;
  std::string_view found;
  for (const std::string& word : words) {
    line += (line.empty() ? "" : " ") + word;
    if (found.empty() &&
        std::find(std::begin(kShellWords), std::end(kShellWords), word) != std::end(kShellWords)) {
      found = word;
    }
  }
  return found.empty() ? ""
                       : "the command got '" + std::string(found) +
                             "' as an argument; a shell reads it in: -- sh -c '" + line + "'";
}

Result<Pipe> open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return system_error(ErrorClass::io, "cannot make a pipe", errno);
  }
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

ArgumentVector::ArgumentVector(std::vector<std::string> words) : words_(std::move(words)) {
  for (std::string& word : words_) {
    pointers_.push_back(word.data());
  }
  pointers_.push_back(nullptr);
}

pid_t fork_blocked() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid != 0) {
    const int number = errno;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    errno = number;
  }
  return pid;
}

void follow_parent(pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(127);  // it was killed before the line above
  }
}

void close_others(std::array<int, 3> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned next = 3;
  for (const int fd : kept) {
    if (fd >= static_cast<int>(next)) {
      if (static_cast<unsigned>(fd) > next) {
        close_range_of(next, static_cast<unsigned>(fd) - 1);
      }
      next = static_cast<unsigned>(fd) + 1;
    }
  }
  close_range_of(next, ~0u);
}

void execute(char* const* words, int failure) {
  reset_signals();
  ::execvp(words[0], words);
  const int number = errno;
  (void)!::write(failure, &number, sizeof number);
  ::_exit(127);
}

}  // namespace fl
