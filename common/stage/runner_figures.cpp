// What a stage reports about itself while it runs.
#include "common/stage/runner_state.h"

namespace fl {

Figures Runner::figures() {
  Figures out;
  if (intake_) {
    out.events = intake_->total();
    out.bytes = intake_->bytes();
    out.body_bytes = intake_->body_bytes();
    out.blocks = intake_->blocks();
    out.unacknowledged = intake_->total() - intake_->acked();
    out.rejected = intake_->rejected_lines() + rejects_.count();
  } else if (plan_.source) {
    out.events = produced_;
    out.bytes = produced_bytes_;
    out.body_bytes = produced_bodies_;
    out.blocks = produced_blocks_;
    out.unacknowledged = produced_ - source_acked_;
  } else if (output_) {
    out.events = output_->sent();
    out.bytes = output_->sent_bytes();
    out.body_bytes = out.bytes;  // a channel does not look into its blocks
    out.blocks = output_->sent_blocks();
    out.unacknowledged = output_->sent() - source_acked_;
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
  each_component([&out](const Component& component, bool) {
    const std::string words = component.status();
    out.more += (out.more.empty() || words.empty() ? "" : ", ") + words;
  });
  return out;
}

void Runner::own_figures(FigureList& out) const {
  std::size_t i = 0;
  each_component([&](const Component& component, bool) {
    out.owner(i < plan_.components.size() ? plan_.components[i] : std::string());
    component.figures(out);
    i += is_channel() ? 0u : 1u;  // both halves have the channel's name
  });
}

// One of kWaitReasons; empty: busy.
std::string_view Runner::waits_for() const {
  if (!opened_ || moved_) {
    return {};
  }
  if (plan_.sink && !plan_.sink->ready()) {
    return "destination";
  }
  if (put() != nullptr && !put()->ready()) {
    return "room";
  }
  if (output_ && output_->busy()) {
    return "reader";
  }
  if ((reads() && input_over()) || source_ended_ || (waits_for_acks() && window_.full())) {
    return "acknowledgements";
  }
  return "input";
}

}  // namespace fl
