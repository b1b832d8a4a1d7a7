// A sink of a group: a process of its own behind a pipe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/io/poll_set.h"

namespace fl {

/// Runs this program again as `WORDS... --stream` with a pipe as its stdin; stdout and stderr are
/// ours. It gets default signal dispositions and none of our other descriptors.
class Member {
 public:
  explicit Member(std::vector<std::string> words) : words_(std::move(words)) {}
  Member(Member&&) = default;
  Member& operator=(Member&&) = default;
  ~Member();

  /// Starts it: the writing end of its stdin. Not while it runs.
  Result<UniqueFd> start();
  bool is_running() const { return pid_ > 0; }
  /// Wakes the poll when it has ended.
  void watch(PollSet& set) const;
  /// Its exit status (128 + signal for a killed one) once it has ended, told once.
  std::optional<int> ended();
  /// Ends it: a moment to end by itself, TERM, and KILL a second later. Its exit status; none if it
  /// was killed, or did not run.
  std::optional<int> stop();
  /// The words, for messages.
  std::string name() const;

 private:
  std::optional<int> await(std::int64_t ms);

  std::vector<std::string> words_;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
};

}  // namespace fl
