// Which bucket an event belongs to: its expanded directory and file prefix.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/event/path_escape.h"
#include "tools/fl-sink/hdfs/bucket_chooser.h"

namespace fl {

struct HdfsOptions;

class BucketNames final : public BucketChooser {
 public:
  /// Errors of class config: see PathTemplate, PathClock; an unknown escape where the path rules
  /// are strict; a prefix or suffix with a slash; `in_hdfs`: text with a colon.
  static Result<BucketNames> make(const HdfsOptions& options, std::string_view path,
                                  bool in_hdfs = false);

  /// The part of the path that is the same for all events.
  const std::string& fixed() const { return path_.fixed(); }
  bool is_constant() const override { return is_constant_; }
  bool uses_clock() const override { return use_local_time_ && needs_time_; }

  /// The first event is checked for missing headers and an implausible time, which a warning names.
  /// Allocates nothing in steady state. Errors, class input: no usable timestamp, a path that is
  /// too long.
  Result<bool> locate(const Event& event, std::int64_t now_ms) override;
  std::string_view key() const override { return key_; }
  /// Relative to fixed().
  std::string_view directory() const override {
    return std::string_view(key_).substr(0, directory_size_);
  }
  std::string_view prefix() const override {
    return std::string_view(key_).substr(directory_size_ + 1);
  }
  Status describe(std::int64_t now_ms) override;

 private:
  Status move_to(std::int64_t ms);
  Status check_escapes(const HdfsOptions& options) const;
  Status check_colons(std::string_view suffix) const;

  PathTemplate path_;
  PathTemplate prefix_;
  std::optional<PathClock> clock_;
  PathTimeStep step_ = PathTimeStep::never;
  bool use_local_time_ = false;
  bool needs_time_ = false;
  bool has_headers_ = false;
  bool is_constant_ = false;

  PathClock::Moment moment_;
  PathClock::Span span_;  // in which moment_ stays good; empty at first
  bool is_located_ = false;
  bool has_looked_ = false;  // at the first event
  std::string key_;          // directory, NUL, prefix
  std::size_t directory_size_ = 0;
  std::string next_;
};

}  // namespace fl
