#include "tools/fl-sink/hive/partition_names.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>

#include "common/component/first_event.h"
#include "tools/fl-sink/hdfs/event_facts.h"
#include "tools/fl-sink/hive/options.h"

namespace fl {
namespace {

constexpr std::size_t kMaxName = 255;       // of one directory, in HDFS and on local disks
constexpr std::size_t kMaxPartition = 767;  // of "k=v/k2=v2" in the metastore's database

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The length of COLUMN in "COLUMN=...", 0 if `text` does not begin so.
std::size_t column_size(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_name);
  return end != text.end() && *end == '=' ? static_cast<std::size_t>(end - text.begin()) : 0;
}

// The end of the value at the beginning: a comma, or a slash before the next COLUMN=.
std::size_t value_end(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' || (text[i] == '/' && column_size(text.substr(i + 1)) != 0)) {
      return i;
    }
  }
  return text.size();
}

}  // namespace

Result<std::vector<PartitionPattern>> parse_partition(std::string_view text) {
  std::vector<PartitionPattern> patterns;
  while (!text.empty()) {
    PartitionPattern pattern;
    if (const std::size_t size = column_size(text); size != 0) {
      pattern.column = text.substr(0, size);
      std::transform(pattern.column.begin(), pattern.column.end(), pattern.column.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      text.remove_prefix(size + 1);
    }
    const std::size_t end = value_end(text);
    const std::string_view value = text.substr(0, end);
    const bool is_last = end == text.size();
    Result<PathTemplate> parsed = PathTemplate::parse(value);
    if (!parsed) {
      return Error{ErrorClass::config, "--partition: " + parsed.error().message,
                   parsed.error().hint};
    }
    if (value.empty() || value.find("//") != std::string_view::npos || value.ends_with('/')) {
      return Error{ErrorClass::config,
                   "--partition: the value '" + std::string(value) + "' is not complete",
                   "write a value or pattern for each partition column, with commas between"};
    }
    if (!parsed->unknown().empty()) {
      return Error{ErrorClass::config,
                   "unknown escape '" + parsed->unknown().front() + "' in --partition",
                   "%{NAME} is a header, %Y a year; a percent sign is written %%"};
    }
    pattern.value = std::move(*parsed);
    if (!patterns.empty() && patterns.front().column.empty() != pattern.column.empty()) {
      return Error{ErrorClass::config, "some values of --partition name a column, others do not",
                   "write COLUMN=VALUE/COLUMN=VALUE, or the values alone with commas"};
    }
    patterns.push_back(std::move(pattern));
    text.remove_prefix(is_last ? end : end + 1);
    if (!is_last && text.empty()) {
      return Error{ErrorClass::config, "--partition ends with a comma", {}};
    }
  }
  return patterns;
}

Result<PartitionNames> PartitionNames::make(const HiveOptions& options,
                                            std::vector<PartitionColumn> columns,
                                            std::vector<PartitionPattern> patterns) {
  PartitionNames names;
  names.columns_ = std::move(columns);
  names.prefix_ = options.files.file_prefix;
  names.use_local_time_ = options.files.use_local_time_stamp;
  for (PartitionPattern& pattern : patterns) {
    names.step_ = std::max(names.step_, pattern.value.time_step());
    for (std::string& header : pattern.value.headers()) {
      names.headers_.push_back(std::move(header));
    }
    names.values_.push_back(std::move(pattern.value));
  }
  names.needs_time_ = names.step_ != PathTimeStep::never;
  if (names.needs_time_) {
    Result<PathClock> clock =
        PathClock::make({options.files.time_zone, options.files.round, options.files.round_value,
                         options.files.round_unit});
    if (!clock) {
      return clock.error();
    }
    names.clock_ = *clock;
  }
  return names;
}

Status PartitionNames::move_to(std::int64_t ms) {
  const Result<PathClock::Moment> moment = clock_->at(ms);
  if (!moment) {
    return moment.error();
  }
  moment_ = *moment;
  span_ = clock_->span(ms, step_);
  return {};
}

void PartitionNames::finish() {
  next_ += '\0';
  next_ += prefix_;
}

Result<bool> PartitionNames::locate(const Event& event, std::int64_t now_ms) {
  if (!has_looked_) {
    has_looked_ = true;
    look_at_first(event, headers_, needs_time_ && !use_local_time_);
  }
  bool is_same = is_located_ && headers_.empty();
  if (needs_time_) {
    const Result<std::int64_t> ms =
        use_local_time_ ? Result<std::int64_t>(now_ms) : time_of(event, "the partition");
    if (!ms) {
      return ms.error();
    }
    if (*ms < span_.from_ms || *ms >= span_.until_ms) {
      is_same = false;
      if (Status moved = move_to(*ms); !moved) {
        return moved.error();
      }
    }
  }
  if (is_same) {
    return false;
  }
  next_.clear();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    value_.clear();
    values_[i].expand_raw(event, &moment_, value_);
    if (Status checked = columns_[i].check(value_); !checked) {
      is_located_ = false;
      return checked.error();
    }
    next_ += i == 0 ? "" : "/";
    const std::size_t start = next_.size();
    append_hive_escaped(next_, columns_[i].name());
    next_ += '=';
    append_hive_escaped(next_, value_);
    if (next_.size() - start > kMaxName) {
      is_located_ = false;
      return Error{ErrorClass::input,
                   "the value of the partition column " + columns_[i].name() +
                       " is too long for the name of a directory",
                   "255 bytes are possible, with the column's name"};
    }
  }
  if (next_.size() > kMaxPartition) {
    is_located_ = false;
    return Error{ErrorClass::input, "the values of the partition are too long together",
                 "a metastore keeps 767 bytes"};
  }
  finish();
  if (is_located_ && next_ == key_) {
    return false;
  }
  key_.swap(next_);
  is_located_ = true;
  return true;
}

Status PartitionNames::describe(std::int64_t now_ms) {
  if (uses_clock()) {
    if (Status moved = move_to(now_ms); !moved) {
      return moved;
    }
  }
  next_.clear();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    next_ += i == 0 ? "" : "/";
    next_ += columns_[i].name() + "=" + values_[i].fixed();
    values_[i].describe(uses_clock() ? &moment_ : nullptr, next_);
  }
  finish();
  key_.swap(next_);
  return {};
}

}  // namespace fl
