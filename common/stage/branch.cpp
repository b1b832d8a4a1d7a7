#include "common/stage/branch.h"

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

std::string weakest_rule(const std::vector<const Branch*>& branches) {
  static constexpr std::array<std::string_view, 3> kWeak = {"handed on", "printed",
                                                            "held in memory"};
  std::string weakest;
  std::size_t rank = kWeak.size() + 1;
  for (const Branch* branch : branches) {
    const std::optional<std::string> rule = branch->output().rule();
    if (!rule) {
      return {};
    }
    std::size_t own = 0;
    while (own < kWeak.size() && kWeak[own] != *rule) {
      ++own;
    }
    if (own < rank) {
      rank = own;
      weakest = *rule;
    }
  }
  return weakest;
}

}  // namespace fl
