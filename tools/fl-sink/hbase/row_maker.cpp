#include "tools/fl-sink/hbase/row_maker.h"

#include <strings.h>
#include <time.h>

#include <cstring>

#include "common/base/random.h"
#include "common/event/event.h"

namespace fl {
namespace {

constexpr std::size_t kMaxKey = 32'767;

std::string random_uuid() {
  std::string bytes = random_bytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      out += '-';
    }
    constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(bytes[i]);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 0xF];
  }
  return out;
}

std::string random_long() {
  const std::string bytes = random_bytes(sizeof(std::int64_t));
  std::int64_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  return std::to_string(number);
}

std::string nanoseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::to_string(now.tv_sec * 1'000'000'000LL + now.tv_nsec);
}

// As Java's String.split(","): empty names at the end do not count.
std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    names.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  while (names.size() > 1 && names.back().empty()) {
    names.pop_back();
  }
  return names;
}

}  // namespace

// ---------------------------------------------------------------- start

Status HBaseRowMaker::open() {
  const std::string& family = options_.column_family;
  if (family.empty() || family.front() == '.' || family.find(':') != std::string::npos) {
    return Error{ErrorClass::usage, "--column-family '" + family + "' is not the name of a family",
                 "a family has no colon, and does not begin with a dot"};
  }
  run_ = random_hex(5);
  if (Status status = open_row_key(); !status) {
    return status;
  }
  if (options_.serializer == "regex") {
    return open_regex();
  }
  if (options_.payload_column.empty()) {
    return Error{ErrorClass::usage, "--payload-column '' would store no body", {}};
  }
  return {};
}

Status HBaseRowMaker::open_row_key() {
  if (options_.row_key.empty()) {
    return {};
  }
  if (!options_.row_key_header.empty()) {
    return Error{ErrorClass::usage, "give --row-key or --row-key-header, not both", {}};
  }
  Result<PathTemplate> parsed = PathTemplate::parse(options_.row_key, kMaxKey);
  if (!parsed) {
    return parsed.error();
  }
  if (!parsed->unknown().empty()) {
    return Error{
        ErrorClass::usage, "--row-key: '" + parsed->unknown().front() + "' is not an escape", {}};
  }
  key_ = std::move(*parsed);
  key_headers_ = key_->headers();
  if (key_->is_constant()) {
    return Error{ErrorClass::usage,
                 "--row-key '" + options_.row_key + "' is the same for all events",
                 "put a header into it, for example '%{host}-%{id}'"};
  }
  Result<PathClock> clock = PathClock::make({});
  if (!clock) {
    return clock.error();
  }
  clock_ = *clock;
  return {};
}

Status HBaseRowMaker::open_regex() {
  if (::strcasecmp(options_.charset.c_str(), "UTF-8") != 0) {
    return Error{ErrorClass::config, "--charset " + options_.charset + " is not supported",
                 "only UTF-8 is; fl-source stdin --charset converts texts"};
  }
  Result<Regex> regex = Regex::compile(
      (options_.regex_ignore_case ? "(?si)\\A(?:" : "(?s)\\A(?:") + options_.regex + ")\\z",
      Regex::Mode::groups);
  if (!regex) {
    return regex.error();
  }
  columns_ = split_names(options_.column_names);
  if (regex->groups() != columns_.size()) {
    return Error{ErrorClass::config,
                 "--regex has " + std::to_string(regex->groups()) + " groups and --col-names " +
                     std::to_string(columns_.size()) + " names: no event would be stored",
                 "write (?:...) for a group that is not a column"};
  }
  const std::int64_t index = options_.row_key_index;
  if (index >= 0) {
    const auto at = static_cast<std::size_t>(index);
    if (at >= columns_.size() || ::strcasecmp(columns_[at].c_str(), "ROW_KEY") != 0) {
      return Error{ErrorClass::config,
                   "--row-key-index " + std::to_string(index) +
                       " is not the place of ROW_KEY in --col-names",
                   "places count from 0"};
    }
    if (key_ || !options_.row_key_header.empty()) {
      return Error{ErrorClass::usage, "give --row-key-index or another row key, not both", {}};
    }
  }
  regex_ = std::move(*regex);
  return {};
}

// ---------------------------------------------------------------- events

std::string HBaseRowMaker::own_key(std::int64_t now_ms) {
  if (options_.serializer == "regex") {
    return std::to_string(now_ms) + '-' + run_ + '-' + std::to_string(made_++);
  }
  const std::string& suffix = options_.suffix;
  return options_.row_prefix + (suffix == "timestamp" ? std::to_string(now_ms)
                                : suffix == "nano"    ? nanoseconds()
                                : suffix == "random"  ? random_long()
                                                      : random_uuid());
}

Status HBaseRowMaker::make_key(const Event& event, std::int64_t now_ms, HBaseRow& row) {
  std::string& key = row.key;
  const auto missing = [](const std::string& name) {
    return Error{ErrorClass::input, "it has no header '" + name + "', which its row key needs", {}};
  };
  if (!options_.row_key_header.empty()) {
    const auto value = find_header(event, options_.row_key_header);
    if (!value) {
      return missing(options_.row_key_header);
    }
    key = *value;
    return {};
  }
  if (!key_) {
    key = own_key(now_ms);
    return {};
  }
  for (const std::string& name : key_headers_) {
    if (!find_header(event, name)) {
      return missing(name);
    }
  }
  const Result<PathClock::Moment> moment = clock_->at(row.timestamp_ms);
  if (!moment) {
    return moment.error();
  }
  key = key_->fixed();
  if (!key.empty() && key.back() != '/') {
    key += '/';
  }
  key_->expand(event, &*moment, key);
  return {};
}

Status HBaseRowMaker::match(std::string_view body, HBaseRow& row,
                            std::optional<std::string_view>& key) {
  regex_->start(body);
  const Regex::Match found = regex_->next();
  if (found == Regex::Match::failed) {
    return regex_->error();
  }
  if (found == Regex::Match::no) {
    return Error{ErrorClass::input, "its body does not match --regex as a whole", {}};
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::optional<Regex::Span> span = regex_->group(i + 1);
    if (!span) {
      continue;
    }
    const std::string_view text = body.substr(span->begin, span->end - span->begin);
    if (static_cast<std::int64_t>(i) == options_.row_key_index) {
      key = text;
    } else {
      row.cells.push_back({options_.column_family + ':' + columns_[i], std::string(text)});
    }
  }
  if (options_.row_key_index >= 0 && !key) {
    return Error{ErrorClass::input, "the group of its row key matches nothing", {}};
  }
  return {};
}

Status HBaseRowMaker::make(const Event& event, std::int64_t now_ms, HBaseRow& row) {
  row.cells.clear();
  row.timestamp_ms = now_ms;
  if (const auto text = find_header(event, "timestamp")) {
    const std::optional<std::int64_t> ms = parse_timestamp(*text);
    if (!ms) {
      return Error{ErrorClass::input, "its header 'timestamp' is not a number of milliseconds", {}};
    }
    row.timestamp_ms = *ms;
  }
  std::optional<std::string_view> key;
  if (regex_) {
    if (Status status = match(event.body(), row, key); !status) {
      return status;
    }
  } else {
    row.cells.push_back(
        {options_.column_family + ':' + options_.payload_column, std::string(event.body())});
  }
  if (regex_ && options_.deposit_headers) {
    HeaderCursor cursor(event);
    for (std::string_view name, value; cursor.next(name, value);) {
      row.cells.push_back({options_.column_family + ':' + std::string(name), std::string(value)});
    }
  }
  if (key) {
    row.key = *key;
    return {};
  }
  return make_key(event, now_ms, row);
}

}  // namespace fl
