// A command of the user's that runs beside a source, and that never outlives it.
#pragma once

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// Between us and the command there is a small process, its keeper: it ends the command's process
/// group when we ask for it, and also when we are gone (SIGKILL), which it sees at a pipe that only
/// we hold open. Should the keeper be killed, the kernel kills the command.
///
/// The command has a process group of its own, /dev/null as stdin, the signals that we were started
/// with (SIGPIPE at its default), and none of the descriptors that we opened. A process of it that
/// leaves the group (setsid) is left alone.
class Command {
 public:
  Command() = default;
  /// Starts it. `capture_errors`: its stderr comes through errors(), else it is ours. The word 0 is
  /// looked up in PATH; result() reports if it could not be executed.
  static Result<Command> start(const std::vector<std::string>& words, bool capture_errors);
  Command(Command&&) = default;
  Command& operator=(Command&&) = default;
  /// Ends it as stop() does, without waiting.
  ~Command() = default;

  /// Not blocking.
  int output() const { return output_.get(); }
  int errors() const { return errors_.get(); }
  /// Readable when result() has something to say.
  int result_fd() const { return result_.get(); }

  struct Ended {
    bool known = false;    ///< false: it runs
    int exec_error = 0;    ///< errno: it was never executed
    int status = 0;        ///< as of wait(2)
    bool is_lost = false;  ///< the keeper was killed: the rest is not known
  };
  /// How it ended; does not wait. Its group may still have members, which may still write.
  const Ended& result();
  /// The same as far as it has been read. After is_over() it is known of a command that had ended
  /// before the keeper learned of stop().
  const Ended& told() const { return ended_; }

  /// TERM to the process group, KILL to what is left of it after kTermMs. Returns at once.
  void stop() { control_.reset(); }
  /// After stop(): true when nothing of the group is left; result_fd() becomes readable then. Does
  /// not wait.
  bool is_over();
  /// After stop(): waits for is_over(), at most kEndMs. False: something hangs in the kernel; the
  /// keeper goes on trying.
  bool wait_for_end();

  static constexpr int kTermMs = 2000;
  static constexpr int kEndMs = kTermMs + 2000;

 private:
  UniqueFd output_;
  UniqueFd errors_;
  UniqueFd result_;
  UniqueFd control_;
  int keeper_ = -1;
  Ended ended_;
};

/// "exited with status 3", "was killed by signal 9 (Killed)".
std::string exit_text(const Command::Ended& ended);

}  // namespace fl
