// The status line: live on a terminal, on request by USR1, and the last word of a cron job.
#pragma once

#include <cstdint>
#include <string>

#include "common/component/figures.h"

namespace fl {

class Progress {
 public:
  /// `live`: replace a line on the terminal about twice a second.
  Progress(std::string name, bool live);
  ~Progress();
  bool live() const { return live_; }
  std::int64_t deadline_ms() const { return live_ ? next_ms_ : -1; }
  /// Shows the live line if it is time.
  void tick(const Figures& figures);
  /// The line as one log line.
  void report(const Figures& figures);
  /// The same at the end, with the average instead of the rate of the last moments.
  void report_end(const Figures& figures);
  void clear();

 private:
  void measure(const Figures& figures);
  std::string line(const Figures& figures, const char* rate_is) const;

  std::string name_;
  bool live_;
  std::int64_t start_ms_;
  std::int64_t next_ms_;
  std::int64_t last_ms_;
  std::uint64_t last_events_ = 0;
  double rate_ = 0;
};

}  // namespace fl
