#include "tools/fl-intercept/filter_run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/clock.h"
#include "common/base/start.h"
#include "common/base/unique_fd.h"
#include "common/io/child.h"
#include "common/io/signals.h"

namespace fl {
namespace {

constexpr std::size_t kRead = 64 << 10;
constexpr std::int64_t kLookMs = 100;  // at a signal that came between two polls

// In the child of a fork: only calls that are safe there. All signals are blocked.
[[noreturn]] void be_command(char* const* words, int input, int output, int failure, pid_t parent) {
  follow_parent(parent);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  execute(words, failure);
}

/// A started command, ended and reaped at the latest by the destructor.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { (void)reap(); }

  Status start(const std::vector<std::string>& words) {
    Result<Pipe> input = open_pipe();
    Result<Pipe> output = open_pipe();
    Result<Pipe> failure = open_pipe();
    for (const Result<Pipe>* each : {&input, &output, &failure}) {
      if (!*each) {
        return each->error();
      }
    }
    const ArgumentVector argv(words);
    const pid_t parent = ::getpid();
    pid_ = fork_blocked();
    if (pid_ == 0) {
      be_command(argv.data(), input->read.get(), output->write.get(), failure->write.get(), parent);
    }
    if (pid_ < 0) {
      return refused_start(ErrorClass::io, "cannot start a process", errno);
    }
    ::setpgid(pid_, pid_);
    failure->write.reset();
    int refused = 0;
    ssize_t n = 0;
    while ((n = ::read(failure->read.get(), &refused, sizeof refused)) < 0 && errno == EINTR) {}
    if (n > 0) {
      return refused_start(is_limit(refused) ? ErrorClass::io : ErrorClass::config,
                           "cannot run '" + words.front() + "'", refused);
    }
    in_ = std::move(input->write);
    out_ = std::move(output->read);
    ended_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    for (const int fd : {in_.get(), out_.get()}) {
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return {};
  }

  UniqueFd& in() { return in_; }
  UniqueFd& out() { return out_; }
  int ended_fd() const { return ended_.get(); }

  /// Kills what is left of the group and returns the command's status.
  int reap() {
    if (pid_ <= 0) {
      return status_;
    }
    in_.reset();
    out_.reset();
    ::kill(-pid_, SIGKILL);  // not reaped yet: the number is still the group's
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return status_;
  }

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  UniqueFd in_;
  UniqueFd out_;
  UniqueFd ended_;
};

// Writes what goes; closes when all is written or the command does not read on.
bool feed(UniqueFd& in, std::string_view& left) {
  const ssize_t n = ::write(in.get(), left.data(), left.size());
  if (n > 0) {
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  if (left.empty() || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    in.reset();
  }
  return n > 0;
}

// Reads what is there; closes at the end.
bool collect(UniqueFd& out, std::string& output) {
  const std::size_t size = output.size();
  output.resize(size + kRead);
  const ssize_t n = ::read(out.get(), output.data() + size, kRead);
  output.resize(size + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    out.reset();
  }
  return n >= 0;
}

}  // namespace

Result<int> run_filter(const std::vector<std::string>& words, std::string_view input,
                       const FilterLimits& limits, std::string& output) {
  output.clear();
  Child child;
  if (Status status = child.start(words); !status) {
    return status.error();
  }
  if (input.empty()) {
    child.in().reset();
  }
  std::int64_t silent_deadline = monotonic_ms() + limits.silent_ms;
  std::int64_t stop_deadline = -1;
  bool ended = child.ended_fd() < 0;  // a kernel without that call: waitpid() will wait
  while (child.out() || !ended) {
    pollfd entries[] = {{child.in() ? child.in().get() : -1, POLLOUT, 0},
                        {child.out() ? child.out().get() : -1, POLLIN, 0},
                        {ended || child.out() ? -1 : child.ended_fd(), POLLIN, 0}};
    ::poll(entries, std::size(entries), static_cast<int>(kLookMs));
    bool moved = entries[2].revents != 0;
    ended = ended || moved;
    if (child.in() && entries[0].revents != 0) {
      moved = feed(child.in(), input) || moved;
    }
    if (child.out() && entries[1].revents != 0) {
      moved = collect(child.out(), output) || moved;
    }
    if (output.size() > limits.output_bytes) {
      return Error{ErrorClass::input, "the command '" + words.front() + "' prints more than " +
                                          std::to_string(limits.output_bytes) +
                                          " bytes for one batch"};
    }
    const std::int64_t now = monotonic_ms();
    if (moved) {
      silent_deadline = now + limits.silent_ms;
    } else if (now >= silent_deadline) {
      return Error{ErrorClass::unavailable,
                   "the command '" + words.front() + "' has done nothing for " +
                       std::to_string(limits.silent_ms / 1000) + " s",
                   "--timeout sets how long to wait"};
    }
    if (stop_requested() && stop_deadline < 0) {
      stop_deadline = now + limits.grace_ms;
    }
    if (stop_deadline >= 0 && now >= stop_deadline) {
      return Error{ErrorClass::again,
                   "the command '" + words.front() + "' has not finished within --grace: stopping"};
    }
  }
  return child.reap();
}

}  // namespace fl
