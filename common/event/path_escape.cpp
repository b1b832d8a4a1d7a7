#include "common/event/path_escape.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>

#include <date/date.h>
#include <date/tz.h>

namespace fl {
namespace {

constexpr char kHex[] = "0123456789ABCDEF";
// Local times are computed with date's 16 bit years; well inside them.
constexpr std::int64_t kMaxSeconds = 900'000'000'000;

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::int64_t floor_to(std::int64_t value, std::int64_t unit) {
  return floor_div(value, unit) * unit;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

void append_escaped_byte(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

// "GMT+5", "UTC-05:30", "GMT+0530": seconds east.
std::optional<std::int32_t> fixed_zone(std::string_view id) {
  if (id == "GMT" || id == "UTC" || id == "Z" || id == "UT") {
    return 0;
  }
  if (!id.starts_with("GMT") && !id.starts_with("UTC")) {
    return std::nullopt;
  }
  id.remove_prefix(3);
  if (id.front() != '+' && id.front() != '-') {
    return std::nullopt;
  }
  const std::int32_t sign = id.front() == '-' ? -1 : 1;
  id.remove_prefix(1);
  std::string digits(id);
  const std::size_t colon = digits.find(':');
  if (colon != std::string::npos) {
    digits.erase(colon, 1);
  }
  const bool all_digits =
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (digits.empty() || digits.size() > 4 || !all_digits ||
      (colon != std::string::npos && colon + 2 != digits.size())) {
    return std::nullopt;
  }
  const int number = std::atoi(digits.c_str());
  const int hours = digits.size() > 2 ? number / 100 : number;
  const int minutes = digits.size() > 2 ? number % 100 : 0;
  if (hours > 23 || minutes > 59) {
    return std::nullopt;
  }
  return sign * (hours * 3600 + minutes * 60);
}

// The library answers an unknown zone and a missing zone database with an exception.
const date::time_zone* find_zone(const std::string& id) {
  try {
    return id.empty() ? date::current_zone() : date::locate_zone(id);
  } catch (const std::exception&) {
    return nullptr;
  }
}

Result<std::string> host_value(std::string_view which) {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) {
    return system_error("cannot read the host name", errno);
  }
  std::string lower(which);
  for (char& c : lower) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (lower == "localhost") {
    return std::string(name.data());
  }
  if (lower != "ip" && lower != "fqdn") {
    return Error{ErrorClass::config, "unknown escape '%[" + std::string(which) + "]' in a path",
                 "known are %[localhost], %[IP] and %[FQDN]"};
  }
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failed = getaddrinfo(name.data(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, freeaddrinfo);
  if (failed != 0 || list == nullptr) {
    return Error{ErrorClass::config, "cannot look up the host's own name '" +
                                         std::string(name.data()) + "': " + gai_strerror(failed)};
  }
  if (lower == "fqdn") {
    return std::string(list->ai_canonname != nullptr ? list->ai_canonname : name.data());
  }
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if ((one->ai_family == AF_INET || one->ai_next == nullptr) &&
        getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      return std::string(text.data());
    }
  }
  return Error{ErrorClass::config, "the host's own name has no address"};
}

PathTimeStep step_of(char letter) {
  switch (letter) {
    case 't':
      return PathTimeStep::millisecond;
    case 's':
    case 'S':
    case 'c':
      return PathTimeStep::second;
    case 'M':
      return PathTimeStep::minute;
    case 'H':
    case 'I':
    case 'k':
    case 'l':
    case 'p':
    case 'z':
      return PathTimeStep::hour;
    case 'a':
    case 'A':
    case 'b':
    case 'B':
    case 'd':
    case 'e':
    case 'j':
    case 'm':
    case 'n':
    case 'y':
    case 'Y':
      return PathTimeStep::day;
    default:
      return PathTimeStep::never;
  }
}

void append_number(std::string& out, std::int64_t value, int width) {
  std::array<char, 24> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value < 0 ? -value : value);
  const auto size = static_cast<int>(end.ptr - text.data());
  if (value < 0) {
    out += '-';
  }
  for (int i = size; i < width; ++i) {
    out += '0';
  }
  out.append(text.data(), static_cast<std::size_t>(size));
}

constexpr const char* kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                 "Thursday", "Friday", "Saturday"};
constexpr const char* kMonths[] = {"January",   "February", "March",    "April",
                                   "May",       "June",     "July",     "August",
                                   "September", "October",  "November", "December"};

void append_time(std::string& out, char letter, const PathClock::Moment& moment) {
  using std::chrono::seconds;
  const date::local_seconds local{seconds{moment.local_s}};
  const auto day = date::floor<date::days>(local);
  const date::year_month_day ymd{day};
  const std::int64_t in_day = (local - day).count();
  const std::int64_t hour = in_day / 3600;
  const std::int64_t hour12 = hour % 12 == 0 ? 12 : hour % 12;
  const auto weekday = date::weekday{day}.c_encoding();
  const auto month = static_cast<unsigned>(ymd.month());
  const auto year = static_cast<int>(ymd.year());
  const std::string_view day_name = kDays[weekday];
  const std::string_view month_name = kMonths[month - 1];
  switch (letter) {
    case 't':
      append_number(out, moment.ms, 1);
      break;
    case 's':
      append_number(out, moment.epoch_s, 1);
      break;
    case 'a':
      out += day_name.substr(0, 3);
      break;
    case 'A':
      out += day_name;
      break;
    case 'b':
      out += month_name.substr(0, 3);
      break;
    case 'B':
      out += month_name;
      break;
    case 'c':
      out += day_name.substr(0, 3);
      out += ' ';
      out += month_name.substr(0, 3);
      out += ' ';
      append_number(out, static_cast<unsigned>(ymd.day()), 1);
      out += ' ';
      append_number(out, hour, 2);
      out += "%3A";  // HDFS refuses ':'
      append_number(out, in_day / 60 % 60, 2);
      out += "%3A";
      append_number(out, in_day % 60, 2);
      out += ' ';
      append_number(out, year, 4);
      break;
    case 'd':
      append_number(out, static_cast<unsigned>(ymd.day()), 2);
      break;
    case 'e':
      append_number(out, static_cast<unsigned>(ymd.day()), 1);
      break;
    case 'H':
      append_number(out, hour, 2);
      break;
    case 'I':
      append_number(out, hour12, 2);
      break;
    case 'j':
      append_number(out, (day - date::local_days{ymd.year() / 1 / 1}).count() + 1, 3);
      break;
    case 'k':
      append_number(out, hour, 1);
      break;
    case 'l':
      append_number(out, hour12, 1);
      break;
    case 'm':
      append_number(out, month, 2);
      break;
    case 'n':
      append_number(out, month, 1);
      break;
    case 'M':
      append_number(out, in_day / 60 % 60, 2);
      break;
    case 'p':
      out += hour < 12 ? "AM" : "PM";
      break;
    case 'S':
      append_number(out, in_day % 60, 2);
      break;
    case 'y':
      append_number(out, ((year % 100) + 100) % 100, 2);
      break;
    case 'Y':
      append_number(out, year, 4);
      break;
    case 'z': {
      const std::int32_t minutes = (moment.offset_s < 0 ? -moment.offset_s : moment.offset_s) / 60;
      out += moment.offset_s < 0 ? '-' : '+';
      append_number(out, minutes / 60 * 100 + minutes % 60, 4);
      break;
    }
    default:
      break;
  }
}

// Two independent 64 bit hashes: distinct by chance, not against somebody who looks for a
// collision; that one would only share his own bucket.
void append_hash(std::string& out, std::string_view text) {
  std::uint64_t hash[2] = {0xcbf29ce484222325u, 0x9ae16a3b2f90404fu};
  for (const char c : text) {
    for (std::uint64_t& h : hash) {
      h ^= static_cast<unsigned char>(c);
      h *= &h == hash ? 0x100000001b3u : 0xc6a4a7935bd1e995u;
      h ^= h >> 29;
    }
  }
  for (const std::uint64_t h : hash) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      out += kHex[(h >> shift) & 15];
    }
  }
}

// The rules for a whole component, which stands at the end of `out` from `start`.
void finish_component(std::string& out, std::size_t start, std::size_t max) {
  const std::string_view text = std::string_view(out).substr(start);
  if (text.empty()) {
    out += "%-";
  } else if (text == ".") {
    out.replace(start, 1, "%2E");
  } else if (text == "..") {
    out.replace(start, 2, "%2E%2E");
  } else if (text.size() > max) {
    constexpr std::size_t kMark = 2 + 32;
    std::size_t keep = max - kMark;
    // Neither in the middle of a %XX nor of a UTF-8 sequence.
    for (std::size_t back = 1; back <= 2 && back <= keep; ++back) {
      if (text[keep - back] == '%') {
        keep -= back;
        break;
      }
    }
    while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xC0) == 0x80) {
      --keep;
    }
    std::string mark = "%~";
    append_hash(mark, text);
    out.resize(start + keep);
    out += mark;
  }
}

}  // namespace

void append_path_safe(std::string& out, std::string_view value, bool is_first) {
  if (is_first && value.starts_with('_')) {
    append_escaped_byte(out, '_');
    value.remove_prefix(1);
  }
  bool at_start = true;
  while (!value.empty()) {
    const auto c = static_cast<unsigned char>(value.front());
    if (c >= 0x80) {
      // Up to four bytes that are one valid character; C1 controls (U+0080 to U+009F) are none to
      // show.
      std::size_t size = 0;
      for (std::size_t n = 2; n <= 4 && n <= value.size() && size == 0; ++n) {
        size = is_valid_utf8(value.substr(0, n)) ? n : 0;
      }
      const bool c1 = c == 0xC2 && size == 2 && static_cast<unsigned char>(value[1]) < 0xA0;
      if (size != 0 && !c1) {
        out.append(value.substr(0, size));
        value.remove_prefix(size);
      } else {
        append_escaped_byte(out, value.front());
        value.remove_prefix(1);
      }
      at_start = false;
      continue;
    }
    if (c < 0x20 || c == 0x7F || c == '/' || c == ':' || c == '%' || (c == '.' && at_start)) {
      append_escaped_byte(out, value.front());
    } else {
      out += value.front();
    }
    at_start = at_start && c == '.';
    value.remove_prefix(1);
  }
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') {
    text.remove_prefix(1);
  }
  std::int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

Result<PathClock> PathClock::make(const PathTimeOptions& options) {
  PathClock clock;
  std::string id = options.time_zone;
  if (id.empty()) {
    const char* const tz = std::getenv("TZ");
    id = tz != nullptr ? tz : "";
    if (id.starts_with(':')) {
      id.erase(0, 1);
    }
  }
  const std::optional<std::int32_t> fixed = fixed_zone(id.empty() ? "?" : id);
  if (fixed) {
    clock.fixed_offset_s_ = *fixed;
  } else {
    clock.zone_ = find_zone(id);
    if (clock.zone_ == nullptr && (!options.time_zone.empty() || id.empty())) {
      return Error{ErrorClass::config, "unknown time zone '" + id + "'",
                   "a name such as Europe/Berlin, UTC or GMT+05:30 is expected; "
                   "/usr/share/zoneinfo holds the known ones"};
    }
    if (clock.zone_ == nullptr) {
      return Error{ErrorClass::config, "unknown time zone '" + id + "' in $TZ",
                   "set TZ or --time-zone to a name such as Europe/Berlin"};
    }
  }
  if (!options.round) {
    return clock;
  }
  const std::string& unit = options.round_unit;
  const std::int64_t step = unit == "hour" ? 3600 : unit == "minute" ? 60 : 1;
  const std::uint64_t most = unit == "hour" ? 24 : 60;
  if (unit != "hour" && unit != "minute" && unit != "second") {
    return Error{ErrorClass::config, "cannot round to '" + unit + "'",
                 "second, minute or hour are expected"};
  }
  if (options.round_value < 1 || options.round_value > most) {
    return Error{ErrorClass::config,
                 "cannot round to " + std::to_string(options.round_value) + " " + unit + "s",
                 "1 to " + std::to_string(most) + " are possible"};
  }
  clock.round_s_ = step * static_cast<std::int64_t>(options.round_value);
  clock.within_s_ = unit == "hour" ? 86400 : step * 60;
  clock.round_step_ = unit == "hour"     ? PathTimeStep::hour
                      : unit == "minute" ? PathTimeStep::minute
                                         : PathTimeStep::second;
  return clock;
}

PathClock::Offset PathClock::offset_at(std::int64_t epoch_s) const {
  if (zone_ == nullptr) {
    return {fixed_offset_s_, INT64_MIN, INT64_MAX};
  }
  const date::sys_info info = zone_->get_info(date::sys_seconds{std::chrono::seconds{epoch_s}});
  return {static_cast<std::int32_t>(info.offset.count()), info.begin.time_since_epoch().count(),
          info.end.time_since_epoch().count()};
}

Result<PathClock::Moment> PathClock::at(std::int64_t ms) const {
  const std::int64_t epoch = floor_div(ms, 1000);
  if (epoch > kMaxSeconds || epoch < -kMaxSeconds) {
    return Error{ErrorClass::input, "the timestamp " + std::to_string(ms) + " ms is out of range",
                 "the header 'timestamp' holds milliseconds since 1970"};
  }
  if (round_s_ != 0 && ms <= 0) {
    return Error{ErrorClass::input,
                 "the timestamp " + std::to_string(ms) + " cannot be rounded: it is not positive"};
  }
  Moment moment;
  moment.ms = ms;
  moment.epoch_s = epoch;
  moment.offset_s = offset_at(epoch).seconds;
  moment.local_s = epoch + moment.offset_s;
  if (round_s_ != 0) {
    const std::int64_t begin = floor_to(moment.local_s, within_s_);
    moment.local_s = begin + floor_to(moment.local_s - begin, round_s_);
    moment.epoch_s = moment.local_s - moment.offset_s;
    const std::int32_t offset = offset_at(moment.epoch_s).seconds;
    if (offset != moment.offset_s) {  // rounded back over a change of the zone's offset
      moment.offset_s = offset;
      moment.epoch_s = moment.local_s - offset;
    }
  }
  return moment;
}

PathClock::Span PathClock::span(std::int64_t ms, PathTimeStep step) const {
  if (step == PathTimeStep::never) {
    return {INT64_MIN, INT64_MAX};
  }
  if (step == PathTimeStep::millisecond) {
    return {ms, ms + 1};
  }
  if (round_s_ != 0 && round_step_ < step) {
    step = round_step_;
  }
  const std::int64_t unit = step == PathTimeStep::second   ? 1
                            : step == PathTimeStep::minute ? 60
                            : step == PathTimeStep::hour   ? 3600
                                                           : 86400;
  const std::int64_t epoch = floor_div(ms, 1000);
  const Offset offset = offset_at(epoch);
  const std::int64_t from = floor_to(epoch + offset.seconds, unit) - offset.seconds;
  Span span;
  span.from_ms = std::max(from, std::max(offset.from_s, -kMaxSeconds)) * 1000;
  span.until_ms = std::min(from + unit, std::min(offset.until_s, kMaxSeconds + 1)) * 1000;
  if (round_s_ != 0) {
    span.from_ms = std::max<std::int64_t>(span.from_ms, 1);
  }
  return span;
}

Result<PathTemplate> PathTemplate::parse(std::string_view text, std::size_t max_component) {
  PathTemplate result;
  result.max_component_ = max_component;
  result.is_absolute_ = text.starts_with('/');
  Component component;
  std::string literal;
  const auto end_literal = [&] {
    if (!literal.empty()) {
      component.pieces.push_back({Piece::Kind::text, std::move(literal), 0});
      literal.clear();
    }
  };
  std::vector<Component> all;
  Error refused{ErrorClass::config, {}, {}};
  const auto end_component = [&]() -> bool {
    end_literal();
    if (!component.has_escape) {
      const std::string fixed = component.pieces.empty() ? "" : component.pieces.front().text;
      if (fixed == "..") {
        refused.message = "refused the path '" + std::string(text) + "': it holds '..'";
        refused.hint = "write the directory that is meant";
        return false;
      }
      if (fixed.find('\0') != std::string::npos || fixed.size() > max_component) {
        refused.message =
            "refused the path '" + std::string(text) + "': a part of it is too long or holds NUL";
        return false;
      }
      if (fixed.empty() || fixed == ".") {
        component = {};
        return true;
      }
    }
    all.push_back(std::move(component));
    component = {};
    return true;
  };
  const auto add_time = [&](char letter) {
    end_literal();
    component.pieces.push_back({Piece::Kind::time, {}, letter});
    component.has_escape = true;
    result.time_step_ = std::max(result.time_step_, step_of(letter));
  };

  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '/') {
      if (!end_component()) {
        return refused;
      }
      continue;
    }
    const std::string_view rest = text.substr(i + 1);
    if (c != '%' || rest.empty()) {
      literal += c;
    } else if (rest.front() == '{' || rest.front() == '[') {
      const bool header = rest.front() == '{';
      const std::size_t close = rest.find(header ? '}' : ']');
      const std::string_view name =
          close == std::string_view::npos ? std::string_view() : rest.substr(1, close - 1);
      const bool fits = !name.empty() && std::all_of(name.begin(), name.end(), [&](char n) {
        return is_word(n) || (header && (n == '.' || n == '-'));
      });
      if (!fits) {
        literal += c;
        continue;
      }
      if (header) {
        end_literal();
        component.pieces.push_back({Piece::Kind::header, std::string(name), 0});
        component.has_escape = true;
        result.has_headers_ = true;
      } else {
        const Result<std::string> value = host_value(name);
        if (!value) {
          return value.error();
        }
        append_path_safe(literal, *value, literal.empty() && component.pieces.empty());
      }
      i += close + 1;
    } else if (rest.front() == '%') {
      literal += '%';
      ++i;
    } else if (rest.front() == 'D') {
      add_time('m');
      (void)end_component();
      add_time('d');
      (void)end_component();
      add_time('y');
      ++i;
    } else if (is_word(rest.front())) {
      if (step_of(rest.front()) != PathTimeStep::never) {
        add_time(rest.front());
      } else {
        result.unknown_ += rest.front();  // the empty string, as in Flume
      }
      ++i;
    } else {
      literal += c;
    }
  }
  if (!end_component()) {
    return refused;
  }

  std::size_t fixed = 0;
  while (fixed < all.size() && !all[fixed].has_escape) {
    if (fixed != 0 || result.is_absolute_) {
      result.fixed_ += '/';
    }
    result.fixed_ += all[fixed].pieces.front().text;
    ++fixed;
  }
  if (fixed == 0 && result.is_absolute_) {
    result.fixed_ = "/";
  }
  result.fixed_count_ = fixed;
  result.components_.assign(
      std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(fixed)),
      std::make_move_iterator(all.end()));
  return result;
}

void PathTemplate::expand(const Event* event, const PathClock::Moment* moment,
                          std::string& out) const {
  bool first = true;
  for (const Component& component : components_) {
    if (!first) {
      out += '/';
    }
    first = false;
    const std::size_t start = out.size();
    for (const Piece& piece : component.pieces) {
      switch (piece.kind) {
        case Piece::Kind::text:
          out += piece.text;
          break;
        case Piece::Kind::time:
          append_time(out, piece.letter, *moment);
          break;
        case Piece::Kind::header:
          if (event == nullptr) {
            out += "%{" + piece.text + "}";
          } else if (const auto value = find_header(*event, piece.text)) {
            append_path_safe(out, *value, out.size() == start);
          }
          break;
      }
    }
    finish_component(out, start, max_component_);
  }
}

void PathTemplate::expand(const Event& event, const PathClock::Moment* moment,
                          std::string& out) const {
  expand(&event, moment, out);
}

void PathTemplate::describe(const PathClock::Moment* moment, std::string& out) const {
  expand(nullptr, moment, out);
}

}  // namespace fl
