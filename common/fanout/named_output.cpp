#include "common/fanout/named_output.h"

#include <algorithm>
#include <array>

#include "common/component/stage_options.h"
#include "common/io/signals.h"
#include "common/stage/output.h"

namespace fl {

Result<NamedOutput> NamedOutput::open(const std::string& path, const StageContext& context) {
  std::vector<std::string> inputs = context.stage->in;
  if (inputs.empty()) {
    inputs.emplace_back("-");
  }
  const StageOptions& options = *context.stage;
  Result<std::unique_ptr<StageOutput>> output = make_stage_output(
      path, inputs, {options.ack == "on", options.ack_wait.ms, context.codec, options.keep.value});
  if (!output) {
    return output.error();
  }
  return started(std::move(*output), path);
}

Result<NamedOutput> NamedOutput::open(UniqueFd fd, std::string name,
                                      const OutputSettings& settings) {
  return started(std::make_unique<Output>(std::move(fd), settings), std::move(name));
}

Result<NamedOutput> NamedOutput::started(std::unique_ptr<StageOutput> output, std::string name) {
  if (Status status = output->open(); !status) {
    return status.error();
  }
  NamedOutput branch(std::move(output), std::move(name));
  branch.output_->start();
  branch.pump();
  return branch;
}

void NamedOutput::update_state(const Status& status) {
  if (!status) {
    why_ = status.error().message;
    state_ = State::lost;
  } else if (output_->enough()) {
    state_ = State::enough;
  } else if (output_->closed_early() || output_->reader_lost()) {
    // A reader that has everything may go: after our end, or because it stops as we do.
    const bool done = !output_->busy() && output_->acked() == output_->sent();
    if (!done || !(output_->closed() || stop_requested())) {
      why_ = "its reader closed early";
      state_ = State::lost;
    }
  }
}

void NamedOutput::handle(const PollSet& set) {
  if (is_live()) {
    update_state(output_->handle(set));
  }
}

void NamedOutput::pump() {
  if (is_live()) {
    update_state(output_->pump());
  }
}

bool NamedOutput::close(const StreamEnd& outcome) {
  if (is_live() && !output_->closed()) {
    update_state(output_->close(outcome, stop_requested()));
  }
  return !is_live() || output_->closed();
}

}  // namespace fl
