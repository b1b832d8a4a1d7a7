// Whose turn it is among outputs that each may take any block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fl {

/// The order in which outputs are tried, and for how long one that failed is left out.
class OutputOrder {
 public:
  enum class Policy {
    failover,     ///< the first one of the list that works
    round_robin,  ///< one after the other
    random,
  };
  struct Settings {
    Policy policy = Policy::round_robin;
    /// A failed output is left out for 1 s doubled for each failure in a row (2 s after the first),
    /// at most this long; 0: it is tried again a second later.
    std::int64_t most_penalty_ms = 30'000;
  };

  OutputOrder(Settings settings, std::size_t outputs) : settings_(settings), states_(outputs) {}

  /// All outputs in the order to try them now, those in the penalty box too.
  std::vector<std::size_t> order();
  /// Output `i` took something: the next order() of round_robin begins after it.
  void used(std::size_t i) { next_ = i + 1; }
  /// It failed: not before free_at().
  void failed(std::size_t i, std::int64_t now_ms);
  /// It has acknowledged something: its failures are forgiven.
  void worked(std::size_t i) { states_[i].failures = 0; }
  std::int64_t free_at_ms(std::size_t i) const { return states_[i].until_ms; }

 private:
  struct State {
    unsigned failures = 0;  // in a row
    std::int64_t last_ms = 0;
    std::int64_t until_ms = 0;
  };
  const Settings settings_;
  std::vector<State> states_;
  std::size_t next_ = 0;
};

}  // namespace fl
