// The names of a rolling file sink's files, as Flume's path managers make them.
#pragma once

#include <cstdint>
#include <string>

namespace fl {

class RollNames {
 public:
  enum class Manager {
    series,     ///< DEFAULT: `<prefix><start in ms>-<N>[.<extension>]`, N = 1, 2, ...
    roll_time,  ///< ROLLTIME: `<prefix><yyyyMMddHHmmss>-<N>[.<extension>]`, local time
  };
  /// `start_ms`: wall clock.
  RollNames(Manager manager, std::string prefix, std::string extension, std::int64_t start_ms);

  /// The next name; `now_ms` (wall clock) counts for roll_time only: there N begins at 1 again with
  /// each second.
  std::string next(std::int64_t now_ms);

 private:
  const Manager manager_;
  const std::string prefix_;
  const std::string extension_;
  std::string series_;
  std::uint64_t number_ = 0;
};

}  // namespace fl
