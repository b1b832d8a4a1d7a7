// Which bucket an event belongs to: its expanded directory and file prefix.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/event/path_escape.h"

namespace fl {

struct HdfsOptions;

class BucketNames {
 public:
  /// Errors of class config: see PathTemplate, PathClock; a prefix or suffix with a slash.
  static Result<BucketNames> make(const HdfsOptions& options, std::string_view path);

  /// The part of the path that is the same for all events.
  const std::string& fixed() const { return path_.fixed(); }
  /// One bucket for everything: locate() need not be called again.
  bool is_constant() const { return is_constant_; }
  bool uses_clock() const { return use_local_time_ && needs_time_; }

  /// Finds the bucket of `event`; `now_ms` is used if the clock decides. False: it is the bucket of
  /// the event before. Allocates nothing in steady state. Errors, class input: no usable timestamp,
  /// a path that is too long.
  Result<bool> locate(const Event& event, std::int64_t now_ms);
  /// Of the last located event; the directory is relative to fixed().
  std::string_view key() const { return key_; }
  std::string_view directory() const { return std::string_view(key_).substr(0, directory_size_); }
  std::string_view prefix() const { return std::string_view(key_).substr(directory_size_ + 1); }

  /// What a user is shown at `now_ms`: locates with each %{header} left as it is.
  Status describe(std::int64_t now_ms);

 private:
  Result<std::int64_t> time_of(const Event& event, std::int64_t now_ms) const;
  Status move_to(std::int64_t ms);

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
  std::string key_;  // directory, NUL, prefix
  std::size_t directory_size_ = 0;
  std::string next_;
};

}  // namespace fl
