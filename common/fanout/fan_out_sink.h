// A stage with several outputs, where each event goes to all outputs that are chosen for it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/ack/ack_map.h"
#include "common/base/units.h"
#include "common/component/component.h"
#include "common/fanout/named_output.h"

namespace fl {

/// A set of outputs, as bits in the order of --out.
using OutputSet = std::uint64_t;
inline constexpr std::size_t kMaxOutputs = 64;
inline constexpr OutputSet all_outputs(std::size_t count) {
  return count == kMaxOutputs ? ~OutputSet{0} : (OutputSet{1} << count) - 1;
}

/// Decides where an event goes.
class Selector {
 public:
  struct Route {
    OutputSet required = 0;
    OutputSet optional = 0;  ///< beside the required ones
  };
  virtual ~Selector() = default;
  /// Called once; an error if a number is above `outputs`.
  virtual Status open(std::size_t outputs) = 0;
  virtual Route route(const Event& event) const = 0;
  /// Outputs that are never more than optional. One that is required for some events is waited for
  /// with all that it gets.
  virtual OutputSet only_optional() const { return 0; }
};

/// Owns a lane for each output: its Branch, the blocks that wait for it, and an InputMap from what
/// it got to the events of the stage. Between calls at most the first block of a lane is lent to
/// its output (sending), and safe_ is the least over the required lanes; it never falls. An event
/// is copied per output, since outputs differ in speed and a block is framed in place.
///
/// Copies events to the chosen outputs: event n is safe when each required output that got one of
/// the first n has acknowledged its part. A required output that is full makes the stage wait, and
/// one that is lost ends it. An optional output that has been full for `patience` misses events,
/// which are counted, and one that is lost is skipped.
class FanOutSink final : public Sink {
 public:
  FanOutSink(std::unique_ptr<Selector> selector, Duration patience)
      : selector_(std::move(selector)), patience_(patience) {}

  Status open(const StageContext& context) override;
  std::optional<Guarantee> guarantee() const override;
  bool takes_codec() const override { return true; }
  Status deliver(const Batch& batch) override;
  bool ready() const override;
  std::uint64_t safe() const override { return safe_; }
  Status commit(std::uint64_t n) override;
  void watch(PollSet& set, bool room) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Result<bool> input_over(const StreamEnd& outcome) override;
  std::size_t outputs_opened() const override { return lanes_.size(); }
  void no_more_comes() override;
  bool tell_failure(const Failure& failure) override;
  void remove_sockets() override;
  bool reader_closed() const override;
  Status close() override;
  void figures(FigureList& out) const override;

 private:
  struct Lane {
    explicit Lane(NamedOutput opened) : branch(std::move(opened)) {}
    NamedOutput branch;
    bool is_optional = false;
    InputMap counts;                // of a required one
    std::vector<bool> keep;         // of the batch being copied
    std::uint64_t kept = 0;         // the same, counted
    std::deque<BlockBuilder> full;  // blocks to be sent; the last one still grows
    bool sending = false;           // the first one is the output's until it is not busy
    std::size_t bytes = 0;          // in `full`
    std::int64_t full_since_ms = -1;
    // Of an optional one:
    std::uint64_t missed = 0;       // events that it never got
    std::uint64_t unconfirmed = 0;  // events that it got and had not acknowledged when it was lost
    bool gone_said = false;         // it is lost, or was not waited for any longer
  };

  void add(Lane& lane, const Event& event);
  void pump(Lane& lane);
  bool is_full(const Lane& lane) const;
  void miss(Lane& lane, std::uint64_t events);
  void part_with(Lane& lane);
  Status look_after(Lane& lane);
  void update_safe();

  std::unique_ptr<Selector> selector_;
  const Duration patience_;
  std::vector<Lane> lanes_;
  std::vector<BlockBuilder> spare_;
  std::uint64_t delivered_ = 0;
  std::uint64_t safe_ = 0;
  std::int64_t over_since_ms_ = -1;  // no more events come
  bool shared_said_ = false;
  bool is_failing_ = false;  // the outputs are sent a failure, and get no further block
};

}  // namespace fl
