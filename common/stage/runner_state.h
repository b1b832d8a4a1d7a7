// The one runner's state; the functions that work on it are in runner*.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ack/ack_map.h"
#include "common/io/poll_set.h"
#include "common/io/signals.h"
#include "common/stage/feed.h"
#include "common/stage/line_rules.h"
#include "common/stage/metrics.h"
#include "common/stage/output.h"
#include "common/stage/progress.h"
#include "common/stage/reject_file.h"
#include "common/stage/runner.h"
#include "common/stage/window.h"

namespace fl {

class Runner {
 public:
  explicit Runner(Plan plan);
  int run();

 private:
  Status open();
  Status open_output();
  std::vector<std::string> inputs() const;  // what is read, "-" for stdin
  void fail(const Error& error);
  bool failed(const Status& status);

  bool step();
  void wait();
  void hear_signals();
  void shake_hands();
  void move();
  bool produce();
  bool take_in();
  Status take_block();
  bool send_from_channel();
  bool write_batch();
  bool can_take() const;
  void propagate();
  void commit_all();
  void watch_reader();
  bool input_over() const { return plan_.source ? source_ended_ : feed_->over(); }
  bool in_hand() const;
  void conclude();
  int finish();
  int verdict();
  Figures figures();
  void own_figures(FigureList& out) const;
  std::string_view waits_for() const;
  Status open_metrics();
  bool has_state() const { return plan_.source && plan_.source->has_state(); }
  bool waits_for_acks() const { return has_state() && plan_.options.ack == "on"; }

  Plan plan_;
  StageContext context_;
  LineRules rules_;
  PollSet poll_;
  SignalState signals_;
  int signal_fd_ = -1;
  int signal_index_ = -1;
  int source_index_ = -1;
  std::optional<Progress> progress_;
  std::unique_ptr<Metrics> metrics_;  // none without --metrics

  RejectFile rejects_;
  std::unique_ptr<Feed> feed_;      // what comes in; none for a source
  std::unique_ptr<Output> output_;  // what goes out; none for a sink
  InputMap map_;                    // output counts to input counts
  std::uint64_t dropped_ = 0;       // by interceptors
  bool channel_sending_ = false;    // the channel's front is on its way out
  Batch* batch_ = nullptr;          // being copied into the output's builder
  std::size_t batch_next_ = 0;

  Window window_;
  std::uint64_t produced_ = 0;
  std::uint64_t produced_bytes_ = 0;
  std::uint64_t produced_blocks_ = 0;
  std::uint64_t source_acked_ = 0;
  bool source_waits_ = false;
  bool source_ended_ = false;

  bool moved_ = true;  // more to do without waiting, as at the start
  bool opened_ = false;
  bool explained_ = false;
  bool shared_said_ = false;
  bool final_commit_ = false;
  bool stopping_ = false;
  std::int64_t stop_deadline_ms_ = -1;
  bool quiet_end_ = false;  // the reader asks for no more
  bool done_ = false;
  std::optional<Error> wrong_;  // options that do not fit together
  std::optional<Error> error_;  // what ended the stage
};

}  // namespace fl
