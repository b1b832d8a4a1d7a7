// Which partition an event belongs to: patterns for the values, and the directory made of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/event/path_clock.h"
#include "common/event/path_escape.h"
#include "tools/fl-sink/hdfs/bucket_chooser.h"
#include "tools/fl-sink/hive/partition_value.h"

namespace fl {

struct HiveOptions;

/// One value of --partition.
struct PartitionPattern {
  std::string column;  ///< in lower case; empty: the place in the list says which
  PathTemplate value;
};

/// Reads "VALUE,VALUE" in the order of the columns, or "COLUMN=VALUE/COLUMN=VALUE" (commas are as
/// good). Class config: an escape that is unknown, some columns with a name and some without.
Result<std::vector<PartitionPattern>> parse_partition(std::string_view text);

class PartitionNames final : public BucketChooser {
 public:
  /// One pattern for each of the table's partition columns, in their order. Errors: class config.
  static Result<PartitionNames> make(const HiveOptions& options,
                                     std::vector<PartitionColumn> columns,
                                     std::vector<PartitionPattern> patterns);

  bool is_constant() const override { return columns_.empty(); }
  bool uses_clock() const override { return use_local_time_ && needs_time_; }
  Result<bool> locate(const Event& event, std::int64_t now_ms) override;
  std::string_view key() const override { return key_; }
  std::string_view directory() const override {
    return std::string_view(key_).substr(0, key_.size() - prefix_.size() - 1);
  }
  std::string_view prefix() const override { return prefix_; }
  Status describe(std::int64_t now_ms) override;

 private:
  Status move_to(std::int64_t ms);
  void finish();

  std::vector<PartitionColumn> columns_;
  std::vector<PathTemplate> values_;
  std::vector<std::string> headers_;
  std::optional<PathClock> clock_;
  PathTimeStep step_ = PathTimeStep::never;
  bool use_local_time_ = false;
  bool needs_time_ = false;

  PathClock::Moment moment_;
  PathClock::Span span_;  // in which moment_ stays good; empty at first
  bool is_located_ = false;
  bool has_looked_ = false;
  std::string prefix_;
  std::string key_;  // directory, NUL, prefix
  std::string next_;
  std::string value_;
};

}  // namespace fl
