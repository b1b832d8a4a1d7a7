#include "common/fanout/child_sink.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"
#include "common/base/start.h"
#include "common/component/programs.h"
#include "common/io/child.h"
#include "common/io/signals.h"
#include "common/option/command_line.h"

extern char** environ;

namespace fl {
namespace {

constexpr std::int64_t kMomentMs = 300;
constexpr std::int64_t kTermMs = 1000;
constexpr std::int64_t kAskMs = 2000;
constexpr const char* kProgram = "fl-sink";

// The class that a sink's status stands for; any other status may be temporary.
ErrorClass class_of(int status) {
  for (const ErrorClass kind :
       {ErrorClass::usage, ErrorClass::input, ErrorClass::unavailable, ErrorClass::create,
        ErrorClass::io, ErrorClass::permission, ErrorClass::config}) {
    if (static_cast<int>(kind) == status) {
      return kind;
    }
  }
  return ErrorClass::again;
}

}  // namespace

ChildSink::ChildSink(ChildSink&& other) noexcept
    : words_(std::move(other.words_)),
      more_(std::move(other.more_)),
      pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      step_(other.step_),
      step_until_ms_(other.step_until_ms_) {}

ChildSink::~ChildSink() {
  if (is_running()) {
    (void)::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
  }
}

std::string ChildSink::name() const {
  std::string name;
  for (const std::string& word : words_) {
    name += (name.empty() ? "" : " ") + word;
  }
  return name;
}

Result<UniqueFd> ChildSink::start() { return start({"--stream"}, false); }

// `is_mute`: nobody wants what it prints on stdout.
Result<UniqueFd> ChildSink::start(const std::vector<std::string>& last_words, bool is_mute) {
  Result<Pipe> pipe = open_pipe();
  if (!pipe) {
    return pipe.error();
  }
  std::vector<std::string> words = words_;
  // Options do not count after "--".
  auto at = std::find(words.begin(), words.end(), "--");
  at = words.insert(at, last_words.begin(), last_words.end());
  words.insert(at, more_.begin(), more_.end());
  words.insert(words.begin(), kProgram);
  const ArgumentVector argv(std::move(words));

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, pipe->read.get(), STDIN_FILENO);
  if (is_mute) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
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
    return refused_start(ErrorClass::io, "cannot start '" + name() + "'", number);
  }
  pid_ = pid;
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  step_ = Step::running;
  step_until_ms_ = -1;
  return std::move(pipe->write);
}

void ChildSink::end() {
  if (is_running() && step_ == Step::running) {
    step_ = Step::ending;
    step_until_ms_ = monotonic_ms() + kMomentMs;
  }
}

void ChildSink::hang_up() const {
  if (is_running() && step_ == Step::running) {
    (void)::kill(pid_, SIGHUP);
  }
}

void ChildSink::watch(PollSet& set) const {
  if (!is_running()) {
    return;
  }
  set.wake_at(step_until_ms_);
  if (pidfd_) {
    set.add(pidfd_.get(), POLLIN);
  } else {
    set.wake_at(monotonic_ms() + 100);  // a kernel without pidfd_open
  }
}

std::optional<int> ChildSink::ended() {
  int status = 0;
  if (!is_running()) {
    return std::nullopt;
  }
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    pid_ = -1;
    pidfd_.reset();
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  if (step_until_ms_ < 0 || monotonic_ms() < step_until_ms_) {
    return std::nullopt;
  }
  if (step_ == Step::ending) {
    (void)::kill(pid_, SIGTERM);
    step_ = Step::term_sent;
    step_until_ms_ = monotonic_ms() + kTermMs;
  } else {
    (void)::kill(pid_, SIGKILL);
    step_ = Step::kill_sent;
    step_until_ms_ = -1;  // it cannot refuse
  }
  return std::nullopt;
}

// A foreign program may do something other than answer.
bool ChildSink::can_be_asked() const {
  if (words_.empty() || words_.front().starts_with('-')) {
    return false;
  }
  const std::string& type = words_.front();
  return find_program(kProgram, type).empty() ||
         !find_beside(std::string(kProgram) + "-" + type).empty();
}

Status ChildSink::check(const std::vector<ChildSink>& members) {
  std::vector<ChildSink> asked;
  for (const ChildSink& member : members) {
    if (!member.can_be_asked()) {
      continue;
    }
    asked.emplace_back(member.words_, member.more_);
    if (const Result<UniqueFd> input =
            asked.back().start({"--generate", std::string(kGenerateNothing)}, true);
        !input) {
      return input.error();
    }
  }
  const std::int64_t deadline = monotonic_ms() + kAskMs;
  for (ChildSink& member : asked) {
    std::optional<int> status;
    while (!(status = member.ended()) && monotonic_ms() < deadline) {
      PollSet set;
      member.watch(set);
      set.wake_at(deadline);
      set.wait();
    }
    if (status == static_cast<int>(ErrorClass::usage)) {
      return Error{ErrorClass::usage, "'" + member.name() + "' is not what fl-sink takes",
                   kPlusHint};
    }
  }
  return {};
}

Status ChildSink::try_out(const std::vector<ChildSink>& members) {
  for (const ChildSink& each : members) {
    if (!each.can_be_asked()) {
      continue;
    }
    ChildSink member(each.words_, each.more_);
    if (const Result<UniqueFd> input = member.start({"--dry-run", "--stream"}, false); !input) {
      return input.error();
    }
    std::optional<int> status;
    while (!(status = member.ended())) {
      if (stop_requested()) {
        member.end();
      }
      PollSet set;
      member.watch(set);
      set.add(member.is_ending() ? -1 : signal_fd(), POLLIN);
      set.wait();
    }
    if (stop_requested()) {
      return Error{ErrorClass::again, "stopped", {}};
    }
    if (*status != 0) {
      return Error{class_of(*status),
                   "'" + member.name() + "' ended with status " + std::to_string(*status),
                   {}};
    }
  }
  return {};
}

}  // namespace fl
