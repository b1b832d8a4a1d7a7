// One of several outputs of a stage.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/unique_fd.h"
#include "common/component/component.h"
#include "common/stage/stage_output.h"

namespace fl {

/// Owns its Output. It is live, and then enough or lost, forever: the fan-out decides what either
/// means for the stage, so no error leaves it.
///
/// An output with its name and whether it has gone. Its stream's header is out after open().
class NamedOutput {
 public:
  enum class State {
    live,
    enough,  ///< the reader asks for no more
    lost,    ///< the reader closed, or cannot be written to
  };

  /// Opens `path` (a file, named pipe, /dev/fd/N or unix: endpoint) as --out does.
  static Result<NamedOutput> open(const std::string& path, const StageContext& context);
  /// Takes the writing end of a pipe or socket.
  static Result<NamedOutput> open(UniqueFd fd, std::string name, const OutputSettings& settings);

  const std::string& name() const { return name_; }
  State state() const { return state_; }
  bool is_live() const { return state_ == State::live; }
  StageOutput& output() { return *output_; }
  const StageOutput& output() const { return *output_; }

  /// After poll: writes, reads from the reader, judges the state. An error of the output is the
  /// state `lost` with why().
  void handle(const PollSet& set);
  /// Writes what goes right now.
  void pump();
  const std::string& why() const { return why_; }
  /// Sends `end` or `fail` and closes; call again until it returns true.
  bool close(const StreamEnd& outcome);
  bool is_closed() const { return output_->closed(); }

 private:
  static Result<NamedOutput> started(std::unique_ptr<StageOutput> output, std::string name);
  NamedOutput(std::unique_ptr<StageOutput> output, std::string name)
      : name_(std::move(name)), output_(std::move(output)) {}
  void update_state(const Status& status);

  std::string name_;
  std::unique_ptr<StageOutput> output_;
  State state_ = State::live;
  std::string why_;
};

}  // namespace fl
