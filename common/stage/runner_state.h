// The one runner's state; the functions that work on it are in runner*.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ack/ack_map.h"
#include "common/component/line_rules.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "common/stage/give_up.h"
#include "common/stage/intake.h"
#include "common/stage/metrics.h"
#include "common/stage/progress.h"
#include "common/stage/reject_file.h"
#include "common/stage/runner.h"
#include "common/stage/stage_output.h"
#include "common/stage/window.h"

namespace fl {

/// The loop of a stage. It owns the component, what comes in (Intake), what goes out (Output), the
/// counts between both (InputMap, Window) and the signals.
///
/// States, each reached once and never left again except for the next: opening; running; stopping
/// (a signal came; input is bounded by --grace); settled_ (all is safe, source and channel are
/// closed); done_ or error_. Nothing says `end` before settle(): what can still go wrong must show
/// in the status of the stages below. The walk through its functions is in common/README.md.
///
/// Between two steps at most one block is in hand, which holds_block() asks: batch_ (edits not
/// written yet), handing_out_ (a channel's front) or what Output is writing. Its memory stays with
/// the input or the channel that lent it, untouched, and a stage without a channel takes in no
/// other one meanwhile. So no owner changes while a block is written piece by piece, and nothing is
/// copied.
class Runner {
 public:
  explicit Runner(Plan plan);
  int run();

 private:
  Status open();
  Status open_output();
  Status check_paths();  // --dry-run
  void explain(const Guarantee& guarantee);
  void say_dry_run() const;
  void start_progress();
  std::vector<std::string> inputs() const;  // what is read, "-" for stdin
  void fail(const Error& error);
  bool failed(const Status& status);

  bool step();
  void wait();
  void hear_signals();
  void shake_hands();
  void start_take();
  Resumable* resumable() const;
  void resume_source();
  void move();
  bool produce();
  bool take_in();
  Status take_block();
  bool may_send();
  bool hand_out();
  bool write_batch();
  bool can_take() const;
  bool holds_block() const { return batch_ != nullptr || handing_out_ || output_->busy(); }
  std::optional<std::vector<Position>> kept_positions() const;
  bool rejects_synced();
  void pass_produced_place();
  Status take_positions();
  void pass_positions(std::uint64_t n);
  void pass_numbers(const Batch* batch);
  void hand_out_numbers(std::uint64_t count);
  void propagate();
  void ask_for(std::uint64_t n);
  void commit_all();
  void watch_reader();
  bool input_over() const { return intake_ ? intake_->over() : source_ended_; }
  bool reads() const { return !plan_.source && (put() != nullptr || take() == nullptr); }
  bool writes() const { return !plan_.sink && (take() != nullptr || put() == nullptr); }
  ChannelPut* put() const { return plan_.channel.put.get(); }
  ChannelTake* take() const { return plan_.channel.take.get(); }
  bool is_channel() const { return put() != nullptr || take() != nullptr; }
  template <typename Visit>
  void each_component(Visit visit) const;
  bool end_put();
  bool in_hand() const;
  void tell_last();
  bool settle();
  Status close_components();
  void end_if_finished();
  int finish();
  StreamEnd outcome();
  void tell_failure(const Failure& failure);
  Figures figures();
  void own_figures(FigureList& out) const;
  std::string_view waits_for() const;
  void watch_clock();
  std::uint64_t moved_in_all() const;
  bool waits_in_vain() const;
  Error given_up();
  Status open_metrics();
  Result<std::unique_ptr<Metrics>> start_metrics();
  // What goes out can be read again: it is kept until it is acknowledged.
  bool has_state() const {
    return plan_.source ? plan_.source->has_state() : take() != nullptr && take()->traits().replays;
  }
  bool has_log() const { return take() != nullptr && take()->traits().replays; }
  bool waits_for_acks() const { return has_state() && plan_.options.ack == "on"; }

  Plan plan_;
  StageContext context_;
  LineRules rules_;
  PollSet poll_;
  SignalState signals_;
  int signal_fd_ = -1;
  int signal_index_ = -1;
  std::optional<Progress> progress_;
  std::unique_ptr<Metrics> metrics_;  // none without --metrics

  RejectFile rejects_;
  std::unique_ptr<Intake> intake_;       // what comes in; none for a source
  std::unique_ptr<StageOutput> output_;  // what goes out; none for a sink
  InputMap map_;                         // output counts to input counts
  std::uint64_t dropped_ = 0;            // by interceptors
  bool put_keeps_positions_ = false;
  NumberMap numbers_;          // the same
  PositionQueue positions_;    // in flight through a channel that does not keep them
  bool handing_out_ = false;   // the channel's front is being sent
  bool put_ended_ = false;     // the put half has everything, safe by its rule
  bool take_stopped_ = false;  // by a signal: what is left stays in the channel
  Batch* batch_ = nullptr;     // being copied into the output's builder
  std::size_t batch_next_ = 0;

  GiveUp give_up_;
  std::uint64_t asked_ = 0;  // events that came in and were to be made safe

  Window window_;
  std::uint64_t produced_ = 0;
  std::uint64_t produced_bytes_ = 0;
  std::uint64_t produced_bodies_ = 0;  // bytes of them
  std::uint64_t produced_blocks_ = 0;
  std::uint64_t source_acked_ = 0;
  std::string position_name_;  // of what is resumable and whose positions are kept below
  std::optional<std::string> produced_place_;  // after produced_ events; it waits for the rejects
  bool source_waits_ = false;
  bool source_ended_ = false;

  bool moved_ = true;  // more to do without waiting, as at the start
  bool opened_ = false;
  bool resumed_ = false;  // positions were agreed upon, or that there are none
  bool explained_ = false;
  bool shared_said_ = false;
  bool final_commit_ = false;
  bool stopping_ = false;
  std::int64_t stop_deadline_ms_ = -1;
  bool quiet_end_ = false;  // the reader asks for no more
  bool settled_ = false;
  bool done_ = false;
  std::optional<Error> wrong_;  // options that do not fit together
  std::optional<Error> error_;  // what ended the stage
};

/// Calls visit(component, room) for each component of the stage.
template <typename Visit>
void Runner::each_component(Visit visit) const {
  const bool takes = output_ && !output_->busy();
  if (plan_.source) {
    visit(*plan_.source, takes && source_waits_ && !source_ended_ && !rejects_.syncing() &&
                             (!waits_for_acks() || (output_->guarantee() && !window_.full())));
  }
  for (const auto& interceptor : plan_.interceptors) {
    visit(*interceptor, true);
  }
  if (put() != nullptr) {
    visit(*put(), true);
  }
  if (take() != nullptr) {
    visit(*take(), takes && !take_stopped_ &&
                       (!waits_for_acks() || (output_->guarantee() && !window_.full())));
  }
  if (plan_.sink) {
    visit(*plan_.sink, true);
  }
}

}  // namespace fl
