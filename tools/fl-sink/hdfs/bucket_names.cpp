#include "tools/fl-sink/hdfs/bucket_names.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/component/first_event.h"
#include "tools/fl-sink/hdfs/event_facts.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/hdfs/store.h"

namespace fl {
namespace {

// HDFS's limit of a path is 8000; the fixed beginning and the name need some of it.
constexpr std::size_t kMaxDirectory = 7'000;

}  // namespace

Result<BucketNames> BucketNames::make(const HdfsOptions& options, std::string_view path,
                                      bool in_hdfs) {
  BucketNames names;
  if (options.file_suffix.find_first_of(std::string_view("/\0", 2)) != std::string::npos ||
      options.file_prefix.find('/') != std::string::npos) {
    return Error{ErrorClass::config, "a file's prefix and suffix may not contain '/'",
                 "put directories in PATH"};
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
    return Error{ErrorClass::config, "a file's prefix may not contain %D: it has slashes", {}};
  }
  names.path_ = std::move(*parsed);
  names.prefix_ = std::move(*prefix);
  if (Status escapes = names.check_escapes(options); !escapes) {
    return escapes.error();
  }
  if (Status colons = in_hdfs ? names.check_colons(options.file_suffix) : Status(); !colons) {
    return colons.error();
  }
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

Status BucketNames::check_escapes(const HdfsOptions& options) const {
  for (const PathTemplate* const part : {&path_, &prefix_}) {
    const std::string where = part == &path_ ? "PATH" : "--file-prefix";
    for (const std::string& escape : part->unknown()) {
      const std::string what = "unknown escape '" + escape + "' in " + where;
      if (options.path_rules == "strict") {
        return Error{ErrorClass::config, what,
                     "%{NAME} is a header, %Y a year; a percent sign is written %%"};
      }
      const bool is_letter =
          escape.size() > 1 &&
          (std::isalnum(static_cast<unsigned char>(escape[1])) != 0 || escape[1] == '_');
      log(LogLevel::warning, what + (is_letter ? ": it becomes nothing" : ": it stays as it is") +
                                 ", as in Flume; a percent sign is written %%");
    }
  }
  return {};
}

// HDFS refuses such a name when the first file is complete; nobody should wait for that.
Status BucketNames::check_colons(std::string_view suffix) const {
  const char* const where = path_.has_in_text(':')                       ? "PATH"
                            : prefix_.has_in_text(':')                   ? "--file-prefix"
                            : suffix.find(':') != std::string_view::npos ? "--file-suffix"
                                                                         : nullptr;
  if (where == nullptr) {
    return {};
  }
  return Error{ErrorClass::config,
               std::string("HDFS allows no ':' in names, and ") + where + " has one",
               "write %H%M or %H-%M for a time; a ':' in a header's value is written %3A"};
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
  if (!has_looked_) {
    has_looked_ = true;
    std::vector<std::string> wanted = path_.headers();
    for (std::string& name : prefix_.headers()) {
      wanted.push_back(std::move(name));
    }
    look_at_first(event, wanted, needs_time_ && !use_local_time_);
  }
  if (needs_time_) {
    const Result<std::int64_t> ms =
        use_local_time_ ? Result<std::int64_t>(now_ms) : time_of(event, "the path");
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
                     " bytes; HDFS accepts at most 8000",
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
  if (uses_clock()) {
    if (Status moved = move_to(now_ms); !moved) {
      return moved;
    }
  }
  const PathClock::Moment* const moment = uses_clock() ? &moment_ : nullptr;
  key_.clear();
  path_.describe(moment, key_);
  directory_size_ = key_.size();
  key_ += '\0';
  if (prefix_.is_constant()) {
    key_ += prefix_.fixed();
  } else {
    prefix_.describe(moment, key_);
  }
  return {};
}

}  // namespace fl
