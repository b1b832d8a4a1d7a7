// Warnings about something that may happen thousands of times: bounded in number, exact in count.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fl {

/// Decides when to report: the first time at once, then at intervals that double from 10 s to 1 h
/// as long as it goes on, each time with how often it has happened. After a quiet time of twice the
/// current interval it begins anew.
class RepeatedWarning {
 public:
  static constexpr std::int64_t kFirstIntervalMs = 10'000;
  static constexpr std::int64_t kLastIntervalMs = 3'600'000;

  /// It has happened once more, at this time of the monotonic clock. True: report it now, by
  /// report(), or in words of its user's own that say unreported(), followed by reported().
  bool happened(std::int64_t now_ms);
  /// How often it has happened since the last report.
  std::uint64_t unreported() const { return unreported_; }
  void reported(std::int64_t now_ms);
  /// Logs the text as a warning, with how many of `each` ("connection") there were if there was
  /// more than one; reported() is called.
  void report(std::int64_t now_ms, std::string text, std::string_view each);
  /// When the next report is allowed, for a condition that lasts without happening again.
  std::int64_t next_ms() const { return next_ms_; }

  /// How often it has happened in all.
  std::uint64_t total() const { return total_; }

 private:
  std::uint64_t total_ = 0;
  std::uint64_t unreported_ = 0;
  std::int64_t interval_ms_ = 0;  // 0: never reported, or quiet since
  std::int64_t next_ms_ = 0;
  std::int64_t last_ms_ = 0;
};

}  // namespace fl
