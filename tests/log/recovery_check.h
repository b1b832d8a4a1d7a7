// What is done with each state of a log: it is opened, takes one more block, hands out what it has;
// the state before and those after go to the judge with what it has to know. Nothing is judged
// here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/log/crash_states.h"
#include "tests/log/numbered_blocks.h"
#include "tests/log/state_stream.h"
#include "tests/log/subject.h"

namespace fl {

/// What the judge has to know of a moment.
struct Knowledge {
  /// Event numbers that are durable: one range for each life.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> required;
  /// Events below it are acknowledged by the group.
  std::map<std::string, std::uint64_t> groups;
  /// Events below it the group's cursor has passed, as far as the programs can see.
  std::map<std::string, std::uint64_t> passed;
  bool closed = false;  ///< and no power loss undoes that
  /// Events below it the group's cursor has passed on disk: nothing undoes that.
  std::map<std::string, std::uint64_t> kept;
  bool opened = false;  ///< so there is a head, and nothing undoes that
  /// What each group was handed by the process that ended here, from the first event on; the
  /// judge compares it with the log. Empty: it does not.
  std::map<std::string, std::string> handed;
  bool handed_all = false;  ///< that was all there was
  std::string wrong;        ///< what went wrong and must not have
};

struct State {
  std::string at;
  std::shared_ptr<MemoryDisk> disk;  ///< after a kill; nullptr: after a power loss, it is `raw`
  Image raw;
  Knowledge knows;
};

class RecoveryCheck {
 public:
  explicit RecoveryCheck(StateStream& stream) : stream_(stream) {}

  /// A new log.
  void begin(const std::string& name, const SubjectOptions& options);
  void given(std::uint64_t first, const NumberedBlock& block) {
    stream_.given(first, block.payload);
  }
  /// `trace`: the calls go to stderr.
  void check(const State& state, bool trace = false);
  std::uint64_t count() const { return count_; }

 private:
  StateStream& stream_;
  SubjectOptions options_;
  NumberedBlock further_;
  std::uint64_t count_ = 0;
};

}  // namespace fl
