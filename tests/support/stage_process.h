// Stages in processes of their own, connected by pipes, as a shell would run them; without
// programs.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "common/stage/runner.h"

namespace fl::test {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

inline Pipe make_pipe() {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// A directory for a test and for the sockets of side connections, which every user may enter. In
/// memory where the system has that: some tests make thousands of files.
class StageDir {
 public:
  StageDir() {
    const char* parent = ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    std::string name = std::string(parent) + "/fl-test-XXXXXX";
    path_ = ::mkdtemp(name.data()) != nullptr ? name : std::string();
    ::chmod(path_.c_str(), 0755);
    ::mkdir(file("run").c_str(), 0755);
    ::chmod(file("run").c_str(), 01733);
    ::setenv("FL_RUNTIME_DIR", file("run").c_str(), 1);
  }
  ~StageDir() {
    ::unsetenv("FL_RUNTIME_DIR");
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  StageDir(const StageDir&) = delete;
  StageDir& operator=(const StageDir&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// run_stage() in a child. The plan is made there, so that threads of a component are the child's.
/// A stage that still runs at the end of the test is killed.
class StageProcess {
 public:
  static constexpr int kHung = -1;

  /// `in` and `out` are the child's stdin and stdout (-1: /dev/null); `messages` gets its stderr.
  StageProcess(const std::function<Plan()>& plan, int in, int out, const std::string& messages) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const int said = ::open(messages.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    pid_ = ::fork();
    if (pid_ == 0) {
      // The given ones may themselves be 0 to 2.
      const std::array<int, 3> fds = {::fcntl(in < 0 ? null : in, F_DUPFD, 3),
                                      ::fcntl(out < 0 ? null : out, F_DUPFD, 3),
                                      ::fcntl(said, F_DUPFD, 3)};
      for (int i = 0; i < 3; ++i) {
        ::dup2(fds[static_cast<std::size_t>(i)], i);
      }
      ::close_range(3, ~0U, 0);
      ::_exit(run_stage(plan()));
    }
    pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    ::close(null);
    ::close(said);
  }
  ~StageProcess() { kill(); }
  StageProcess(const StageProcess&) = delete;
  StageProcess& operator=(const StageProcess&) = delete;

  pid_t pid() const { return pid_; }
  void send(int signal) const { ::kill(pid_, signal); }

  /// The exit status, 128 + signal, or kHung if it has not ended after `ms`; it is killed then.
  int wait(std::int64_t ms) {
    pollfd ended{pidfd_.get(), POLLIN, 0};
    const std::int64_t end = monotonic_ms() + ms;
    while (!status_ && monotonic_ms() < end) {
      if (::poll(&ended, 1, static_cast<int>(end - monotonic_ms())) > 0) {
        reap();
      }
    }
    if (!status_) {
      kill();
      return kHung;
    }
    return *status_;
  }
  bool runs() const {
    pollfd ended{pidfd_.get(), POLLIN, 0};
    return !status_ && ::poll(&ended, 1, 0) == 0;
  }

 private:
  void reap() {
    int status = 0;
    if (::waitpid(pid_, &status, 0) == pid_) {
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
  void kill() {
    if (!status_) {
      ::kill(pid_, SIGKILL);
      reap();
    }
  }

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<int> status_;
};

/// Polls until done(); false: it did not become true within `ms`.
inline bool eventually(const std::function<bool()>& done, std::int64_t ms) {
  const std::int64_t end = monotonic_ms() + ms;
  while (!done()) {
    if (monotonic_ms() > end) {
      return false;
    }
    ::poll(nullptr, 0, 2);
  }
  return true;
}

inline std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The numbers from `from` up to but not including `to`, one a line.
inline std::string number_lines(std::uint64_t from, std::uint64_t to) {
  std::string lines;
  for (std::uint64_t i = from; i < to; ++i) {
    lines += std::to_string(i) + '\n';
  }
  return lines;
}

/// Writes all of it; the reader must be there.
inline void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n <= 0) {
      ADD_FAILURE() << "cannot write to the stage";
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// A sink that appends each body and a newline to a file; that is what it calls safe.
class LineSink final : public Sink {
 public:
  explicit LineSink(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {}
  std::optional<Guarantee> guarantee() const override {
    return Guarantee{Level::printed, "written"};
  }
  Status deliver(const Batch& batch) override {
    std::string lines;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      lines += std::string(batch[i].body()) + '\n';
    }
    write_all(fd_.get(), lines);
    count_ += batch.size();
    return {};
  }
  std::uint64_t safe() const override { return count_; }

 private:
  UniqueFd fd_;
  std::uint64_t count_ = 0;
};

inline Plan line_sink_plan(const std::string& path) {
  Plan plan;
  plan.name = "fl-sink lines";
  plan.kind = ComponentKind::sink;
  plan.components = {"lines"};
  plan.options.stream = true;
  plan.sink = std::make_unique<LineSink>(path);
  return plan;
}

}  // namespace fl::test
