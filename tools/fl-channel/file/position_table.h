// The positions of the sources above a log, as the log keeps them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/ack/position.h"

namespace fl {

/// The newest position of each source, in the order in which they moved. Bounded: of more than
/// kMost sources, or more than kMostBytes, those that have not moved for longest are forgotten;
/// such a source begins where its own record says. Its form in the log: fl-log(5).
class PositionTable {
 public:
  static constexpr std::size_t kMost = 1024;
  static constexpr std::size_t kMostBytes = 256 << 10;

  /// Reads what text() wrote; false, and an empty table: it is damaged.
  bool read(std::string_view text);
  std::string text() const;
  /// True if that is news.
  bool set(const Position& position);
  const std::vector<Position>& positions() const { return positions_; }

 private:
  std::vector<Position> positions_;
  std::size_t bytes_ = 0;
};

}  // namespace fl
