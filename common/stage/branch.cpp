#include "common/stage/branch.h"

#include <algorithm>
#include <array>

#include "common/io/signals.h"
#include "common/stage/open_out.h"
#include "common/stage/stage_options.h"

namespace fl {

Result<Branch> Branch::open(const std::string& path, const StageContext& context) {
  std::vector<std::string> inputs = context.stage->in;
  if (inputs.empty()) {
    inputs.emplace_back("-");
  }
  Result<UniqueFd> fd = open_out(path, inputs);
  if (!fd) {
    return fd.error();
  }
  return open(std::move(*fd), path, context);
}

Result<Branch> Branch::open(UniqueFd fd, std::string name, const StageContext& context) {
  Result<std::unique_ptr<Output>> output = Output::open(
      std::move(fd), {context.stage->ack == "on", context.stage->ack_wait.ms, context.codec});
  if (!output) {
    return output.error();
  }
  Branch branch(std::move(*output), std::move(name));
  branch.output_->start();
  branch.pump();
  return branch;
}

void Branch::settle(const Status& status) {
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

void Branch::handle(const PollSet& set) {
  if (is_live()) {
    settle(output_->handle(set));
  }
}

void Branch::pump() {
  if (is_live()) {
    settle(output_->pump());
  }
}

bool Branch::close(bool whole) {
  if (is_live() && !output_->closed()) {
    settle(output_->close(whole, stop_requested()));
  }
  return !is_live() || output_->closed();
}

std::string_view weaker_rule(std::string_view one, std::string_view other) {
  static constexpr std::array<std::string_view, 4> kWeak = {"", "handed on", "printed",
                                                            "held in memory"};
  const auto strength = [](std::string_view rule) {
    return std::find(kWeak.begin(), kWeak.end(), rule) - kWeak.begin();
  };
  return strength(other) < strength(one) ? other : one;
}

}  // namespace fl
