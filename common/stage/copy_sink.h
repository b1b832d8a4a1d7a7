// A stage with several outputs, where each event goes to all outputs that are chosen for it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/ack/ack_map.h"
#include "common/base/units.h"
#include "common/stage/branch.h"
#include "common/stage/component.h"

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

/// Copies events to the chosen outputs (DESIGN 3, "several outputs"): event n is safe when each
/// required output that got one of the first n has acknowledged its part. A required output that is
/// full makes the stage wait, and one that is lost ends it. An optional output that has been full
/// for `patience` loses events, which are counted, and one that is lost is done without.
class CopySink final : public Sink {
 public:
  CopySink(std::unique_ptr<Selector> selector, Duration patience)
      : selector_(std::move(selector)), patience_(patience) {}

  Status open(const StageContext& context) override;
  std::string_view rule() const override;
  bool takes_codec() const override { return true; }
  Status deliver(const Batch& batch) override;
  bool ready() const override;
  std::uint64_t safe() const override { return safe_; }
  Status commit(std::uint64_t n) override;
  void watch(PollSet& set) override;
  Status handle(const PollSet& set) override;
  std::int64_t deadline_ms() const override;
  Result<bool> input_over(bool whole) override;
  bool reader_closed() const override;
  Status close() override;
  void figures(FigureList& out) const override;

 private:
  struct Lane {
    explicit Lane(Branch opened) : branch(std::move(opened)) {}
    Branch branch;
    bool is_optional = false;
    InputMap counts;                // of a required one
    std::vector<bool> keep;         // of the batch being copied
    std::uint64_t kept = 0;         // the same, counted
    std::deque<BlockBuilder> full;  // blocks on their way out; the last one still grows
    bool sending = false;           // the first one is the output's until it is not busy
    std::size_t bytes = 0;          // in `full`
    std::int64_t full_since_ms = -1;
    std::uint64_t lost_events = 0;
    bool gone_said = false;
  };

  void add(Lane& lane, const Event& event);
  void pump(Lane& lane);
  bool is_full(const Lane& lane) const;
  void lose(Lane& lane, std::uint64_t events);
  void update_safe();

  std::unique_ptr<Selector> selector_;
  const Duration patience_;
  std::vector<Lane> lanes_;
  std::vector<BlockBuilder> spare_;
  std::uint64_t delivered_ = 0;
  std::uint64_t safe_ = 0;
  std::int64_t over_since_ms_ = -1;  // no more events come
  bool shared_said_ = false;
};

}  // namespace fl
