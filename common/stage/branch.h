// One of several outputs of a stage.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/stage/component.h"
#include "common/stage/output.h"

namespace fl {

/// An output with its name and whether it has gone. Its stream's header is out after open().
class Branch {
 public:
  enum class State {
    live,
    enough,  ///< the reader asks for no more
    lost,    ///< the reader closed, or cannot be written to
  };

  /// Opens `path` (a file, named pipe or /dev/fd/N) as --out does.
  static Result<Branch> open(const std::string& path, const StageContext& context);
  /// Takes the writing end of a pipe.
  static Result<Branch> open(UniqueFd fd, std::string name, const StageContext& context);

  const std::string& name() const { return name_; }
  State state() const { return state_; }
  bool is_live() const { return state_ == State::live; }
  Output& output() { return *output_; }
  const Output& output() const { return *output_; }

  /// After poll: writes, hears the reader, judges the state. An error of the output is the state
  /// `lost` with why().
  void handle(const PollSet& set);
  /// Writes what goes right now.
  void pump();
  const std::string& why() const { return why_; }
  /// Says `end` if `whole` and closes; call again until closed.
  bool close(bool whole);
  bool is_closed() const { return output_->closed(); }

 private:
  Branch(std::unique_ptr<Output> output, std::string name)
      : name_(std::move(name)), output_(std::move(output)) {}
  void settle(const Status& status);

  std::string name_;
  std::unique_ptr<Output> output_;
  State state_ = State::live;
  std::string why_;
};

/// The rule of the two that promises less ("handed on" before "printed" before "held in memory"
/// before what is durable); empty is one that is not known yet, and the least.
std::string_view weaker_rule(std::string_view one, std::string_view other);

}  // namespace fl
