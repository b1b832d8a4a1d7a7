// What a stage tells of itself while it runs.
#include "common/stage/runner_state.h"

namespace fl {

Figures Runner::figures() {
  Figures out;
  if (feed_) {
    out.events = feed_->total();
    out.bytes = feed_->bytes();
    out.blocks = feed_->blocks();
    out.unacknowledged = feed_->total() - feed_->acked();
    out.rejected = feed_->rejected_lines() + rejects_.count();
  } else {
    out.events = produced_;
    out.bytes = produced_bytes_;
    out.blocks = produced_blocks_;
    out.unacknowledged = produced_ - source_acked_;
  }
  if (output_) {
    out.has_output = true;
    out.events_out = output_->sent();
    out.bytes_out = output_->sent_bytes();
    out.blocks_out = output_->sent_blocks();
    out.dropped = dropped_;
  }
  out.waiting = waits_for();
  own_figures(out.own);
  out.more = plan_.sink ? plan_.sink->status() : plan_.channel ? plan_.channel->status() : "";
  return out;
}

void Runner::own_figures(FigureList& out) const {
  const auto add = [&](std::size_t i, const auto& component) {
    out.owner(i < plan_.components.size() ? plan_.components[i] : std::string());
    component->figures(out);
  };
  for (std::size_t i = 0; i < plan_.interceptors.size(); ++i) {
    add(i, plan_.interceptors[i]);
  }
  if (plan_.source) {
    add(0, plan_.source);
  } else if (plan_.channel) {
    add(0, plan_.channel);
  } else if (plan_.sink) {
    add(0, plan_.sink);
  }
}

// One of kWaitReasons; empty: busy.
std::string_view Runner::waits_for() const {
  if (!opened_ || moved_) {
    return {};
  }
  if (plan_.sink && !plan_.sink->ready()) {
    return "destination";
  }
  if (plan_.channel && !plan_.channel->has_room()) {
    return "room";
  }
  if (output_ && output_->busy()) {
    return "reader";
  }
  if (input_over() || (waits_for_acks() && window_.full())) {
    return "acknowledgements";
  }
  return "input";
}

}  // namespace fl
