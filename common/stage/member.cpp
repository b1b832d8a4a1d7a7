#include "common/stage/member.h"

#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "common/base/clock.h"
#include "common/io/child.h"

extern char** environ;

namespace fl {
namespace {

constexpr std::int64_t kMomentMs = 300;
constexpr std::int64_t kStopMs = 1000;

}  // namespace

Member::~Member() { stop(); }

std::string Member::name() const {
  std::string name;
  for (const std::string& word : words_) {
    name += (name.empty() ? "" : " ") + word;
  }
  return name;
}

Result<UniqueFd> Member::start() {
  Result<Pipe> pipe = open_pipe();
  if (!pipe) {
    return pipe.error();
  }
  std::vector<std::string> words = {"fl-sink"};
  words.insert(words.end(), words_.begin(), words_.end());
  words.emplace_back("--stream");
  const ArgumentVector argv(std::move(words));

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, pipe->read.get(), STDIN_FILENO);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  pid_t pid = -1;
  const int number =
      ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (number != 0) {
    return system_error(ErrorClass::io, "cannot start '" + name() + "'", number);
  }
  pid_ = pid;
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return std::move(pipe->write);
}

void Member::watch(PollSet& set) const {
  if (pidfd_) {
    set.add(pidfd_.get(), POLLIN);
  } else if (is_running()) {
    set.wake_at(monotonic_ms() + 100);  // a kernel without pidfd_open
  }
}

std::optional<int> Member::ended() {
  int status = 0;
  if (!is_running() || ::waitpid(pid_, &status, WNOHANG) != pid_) {
    return std::nullopt;
  }
  pid_ = -1;
  pidfd_.reset();
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// The status if it ends within `ms`.
std::optional<int> Member::await(std::int64_t ms) {
  const std::int64_t give_up = monotonic_ms() + ms;
  for (;;) {
    if (std::optional<int> status = ended(); status || monotonic_ms() >= give_up) {
      return status;
    }
    PollSet set;
    watch(set);
    set.wake_at(give_up);
    set.wait();
  }
}

std::optional<int> Member::stop() {
  if (!is_running()) {
    return std::nullopt;
  }
  if (std::optional<int> status = await(kMomentMs)) {
    return status;
  }
  (void)::kill(pid_, SIGTERM);
  if (std::optional<int> status = await(kStopMs)) {
    return status;
  }
  (void)::kill(pid_, SIGKILL);
  (void)::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  pidfd_.reset();
  return std::nullopt;
}

}  // namespace fl
