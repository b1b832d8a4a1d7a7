// A sink of a group: a process of its own that reads from a pipe.
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

/// The hint where a sink of a group does not take some of its words.
inline constexpr const char* kPlusHint =
    "'+' separates the sinks of a group: failover -- hdfs /logs + file_roll /var/spool/fl";

/// Runs this program again as `fl-sink WORDS... MORE... --stream` with a pipe as its stdin; stdout
/// and stderr are ours. It gets default signal dispositions and none of our other descriptors.
///
/// Its states: not running; running; ending (end() was called: it gets a moment to end by itself,
/// now that its input is closed); TERM sent; KILL sent. No call but the destructor waits for the
/// process: watch() wakes the poll, ended() goes on to the next state when its time has come.
class ChildSink {
 public:
  /// `more`: options of the group that its sinks share.
  explicit ChildSink(std::vector<std::string> words, std::vector<std::string> more = {})
      : words_(std::move(words)), more_(std::move(more)) {}
  ChildSink(ChildSink&& other) noexcept;
  ChildSink& operator=(ChildSink&&) = delete;
  /// Kills it if it still runs.
  ~ChildSink();

  /// Starts it: the writing end of its stdin. Not while it runs.
  Result<UniqueFd> start();
  bool is_running() const { return pid_ > 0; }
  /// Begins to end it; its stdin is closed. Calling it again changes nothing.
  void end();
  bool is_ending() const { return is_running() && step_ != Step::running; }
  /// Passes SIGHUP on.
  void hang_up() const;
  /// Wakes the poll when it has ended, or ended() has something to do.
  void watch(PollSet& set) const;
  /// Its exit status (128 + signal for a killed one) once it has ended, reported once.
  std::optional<int> ended();
  /// The words, for messages.
  std::string name() const;

  /// Class usage if fl-sink does not take the words of one of them, which it reports itself. Asks
  /// all at the same time; a program from elsewhere than where we are installed is never asked.
  static Status check(const std::vector<ChildSink>& members);
  /// --dry-run: lets each of them resolve, authenticate and show its names, one after the other. An
  /// error of the class of the first that fails. A signal ends it (class again).
  static Status try_out(const std::vector<ChildSink>& members);

 private:
  enum class Step { running, ending, term_sent, kill_sent };

  Result<UniqueFd> start(const std::vector<std::string>& last_words, bool is_mute);
  bool can_be_asked() const;

  std::vector<std::string> words_;
  std::vector<std::string> more_;
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  Step step_ = Step::running;
  std::int64_t step_until_ms_ = -1;  // when the next step is due
};

}  // namespace fl
