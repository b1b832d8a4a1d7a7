#include "common/fanout/group_output.h"

#include <algorithm>

#include "common/component/stage_options.h"
#include "common/fanout/output_options.h"
#include "common/stage/announce.h"

namespace fl {
namespace {

GroupSink::Settings settings_of(const StageContext& context) {
  GroupSink::Settings settings;
  settings.turn.policy = OutputOrder::Policy::round_robin;
  settings.capacity = kKeptBytes.value;
  settings.needs_ack = context.stage->ack == "on";
  return settings;
}

}  // namespace

GroupOutput::GroupOutput(const StageContext& context)
    : context_(context), group_(settings_of(context)), builder_(KeptBlocks::kBlockBytes) {}

Status GroupOutput::open() {
  Status status = group_.open(context_);
  is_open_ = status.ok();
  return status;
}

// Those that are open have their header; they learn of it by close().
void GroupOutput::start_failed(const Failure& failure) {
  is_started_ = true;
  const std::vector<std::string>& outs = context_.stage->out;
  const std::size_t opened = std::min(group_.outputs_opened(), outs.size());
  announce_failure({outs.begin() + static_cast<std::ptrdiff_t>(opened), outs.end()}, failure,
                   context_.stage->ack_wait.ms);
}

void GroupOutput::send(Block block) {
  sent_ += block.count;
  sent_bytes_ += block.size;
  ++sent_blocks_;
  group_.deliver(block);
}

void GroupOutput::flush_builder() {
  if (!builder_.empty()) {
    send(builder_.block());
    builder_.clear();
  }
}

void GroupOutput::watch(PollSet& set) {
  group_.watch(set, true);
  set.wake_at(group_.deadline_ms());
}

void GroupOutput::want(std::uint64_t n) {
  wanted_ = std::max(wanted_, n);
  (void)group_.commit(n).ok();
}

Status GroupOutput::close(const StreamEnd& outcome, bool hurry) {
  if (outcome) {
    is_closed_ = group_.tell_failure(*outcome) || hurry;
    return {};
  }
  const Result<bool> over = group_.input_over(outcome);
  if (!over) {
    return over.error();
  }
  is_closed_ = *over;
  return {};
}

}  // namespace fl
