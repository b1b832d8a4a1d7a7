#include "tools/fl-sink/hdfs/bucket_names.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/hdfs/store.h"

namespace fl {
namespace {

// HDFS's limit of a path is 8000; the fixed beginning and the name need some of it.
constexpr std::size_t kMaxDirectory = 7'000;

}  // namespace

Result<BucketNames> BucketNames::make(const HdfsOptions& options, std::string_view path) {
  BucketNames names;
  if (options.file_suffix.find_first_of(std::string_view("/\0", 2)) != std::string::npos ||
      options.file_prefix.find('/') != std::string::npos) {
    return Error{ErrorClass::config, "a file's prefix and suffix may not hold '/'",
                 "directories belong into PATH"};
  }
  const std::size_t extra = kTemporaryExtra + kCounterExtra + options.file_suffix.size();
  if (extra + 64 > PathTemplate::kMaxComponent) {
    return Error{ErrorClass::config, "the file suffix is too long", "150 bytes are possible"};
  }
  Result<PathTemplate> parsed = PathTemplate::parse(path);
  if (!parsed) {
    return parsed.error();
  }
  Result<PathTemplate> prefix =
      PathTemplate::parse(options.file_prefix, PathTemplate::kMaxComponent - extra);
  if (!prefix) {
    return prefix.error();
  }
  if (prefix->components() > 1) {
    return Error{ErrorClass::config, "a file's prefix may not hold %D: it has slashes", {}};
  }
  for (const char letter : parsed->unknown() + prefix->unknown()) {
    log(LogLevel::warning, std::string("'%") + letter +
                               "' is no escape and becomes nothing, as in Flume; a percent sign is "
                               "written %%");
  }
  names.path_ = std::move(*parsed);
  names.prefix_ = std::move(*prefix);
  names.step_ = std::max(names.path_.time_step(), names.prefix_.time_step());
  names.needs_time_ = names.step_ != PathTimeStep::never;
  names.has_headers_ = names.path_.has_headers() || names.prefix_.has_headers();
  names.use_local_time_ = options.use_local_time_stamp;
  names.is_constant_ = names.path_.is_constant() && names.prefix_.is_constant();
  if (names.needs_time_) {
    Result<PathClock> clock = PathClock::make(
        {options.time_zone, options.round, options.round_value, options.round_unit});
    if (!clock) {
      return clock.error();
    }
    names.clock_ = *clock;
  }
  return names;
}

Result<std::int64_t> BucketNames::time_of(const Event& event, std::int64_t now_ms) const {
  if (use_local_time_) {
    return now_ms;
  }
  const auto text = find_header(event, "timestamp");
  const char* const hint = "put `fl-intercept ts |` in front, or use --use-local-time-stamp";
  if (!text) {
    return Error{ErrorClass::input, "an event has no header 'timestamp', and the path needs a time",
                 hint};
  }
  const auto ms = parse_timestamp(*text);
  if (!ms) {
    return Error{ErrorClass::input,
                 "the header 'timestamp' of an event is no number of milliseconds: '" +
                     std::string(text->substr(0, 64)) + "'",
                 hint};
  }
  return *ms;
}

Status BucketNames::move_to(std::int64_t ms) {
  const Result<PathClock::Moment> moment = clock_->at(ms);
  if (!moment) {
    return moment.error();
  }
  moment_ = *moment;
  span_ = clock_->span(ms, step_);
  return {};
}

Result<bool> BucketNames::locate(const Event& event, std::int64_t now_ms) {
  if (needs_time_) {
    const Result<std::int64_t> ms = time_of(event, now_ms);
    if (!ms) {
      return ms.error();
    }
    if (*ms < span_.from_ms || *ms >= span_.until_ms) {
      if (Status moved = move_to(*ms); !moved) {
        return moved.error();
      }
    } else if (!has_headers_ && is_located_) {
      return false;
    }
  } else if (!has_headers_ && is_located_) {
    return false;
  }
  next_.clear();
  path_.expand(event, &moment_, next_);
  const std::size_t directory_size = next_.size();
  if (directory_size > kMaxDirectory) {
    return Error{ErrorClass::input,
                 "the headers of an event make a path of " + std::to_string(directory_size) +
                     " bytes, and HDFS takes no longer one than 8000",
                 "fewer or shorter headers in PATH"};
  }
  next_ += '\0';
  if (prefix_.is_constant()) {
    next_ += prefix_.fixed();
  } else {
    prefix_.expand(event, &moment_, next_);
  }
  if (is_located_ && next_ == key_) {
    return false;
  }
  key_.swap(next_);
  directory_size_ = directory_size;
  is_located_ = true;
  return true;
}

Status BucketNames::describe(std::int64_t now_ms) {
  if (needs_time_) {
    if (Status moved = move_to(now_ms); !moved) {
      return moved;
    }
  }
  key_.clear();
  path_.describe(&moment_, key_);
  directory_size_ = key_.size();
  key_ += '\0';
  if (prefix_.is_constant()) {
    key_ += prefix_.fixed();
  } else {
    prefix_.describe(&moment_, key_);
  }
  return {};
}

}  // namespace fl
