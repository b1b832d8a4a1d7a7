// The steps of starting another program.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

/// Both ends close when a program is executed.
Result<Pipe> open_pipe();

/// Words as execvp(3) takes them; the pointers hold as long as it lives.
class ArgumentVector {
 public:
  explicit ArgumentVector(std::vector<std::string> words);
  ArgumentVector(const ArgumentVector&) = delete;
  ArgumentVector& operator=(const ArgumentVector&) = delete;
  char* const* data() const { return pointers_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;  // ends with a null
};

/// Ok if the word can be executed: a path, or a name found in PATH. Errors: class config.
Status check_command(const std::string& word);

/// If a word is one that a shell takes for a pipe or the like, and the command got it as an
/// argument: the hint for its failure. "": there is none.
std::string shell_word_hint(const std::vector<std::string>& words);

/// fork(2); in the child all signals are blocked. -1 and errno: it failed.
pid_t fork_blocked();

// In the child of a fork: only calls that are safe there.

/// A process group of its own, and the kernel kills us when `parent` ends. Ends with 127 if it has.
void follow_parent(pid_t parent);

/// Closes all descriptors from 3 on but these; -1 stands for none.
void close_others(std::array<int, 3> kept);

/// Executes `words` with default signals, none blocked; what the parent of our stage ignores
/// (nohup) stays ignored. If that fails, errno goes into `failure` as an int, and the process ends
/// with 127.
[[noreturn]] void execute(char* const* words, int failure);

}  // namespace fl
