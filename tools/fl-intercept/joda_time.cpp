#include "tools/fl-intercept/joda_time.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstdlib>

#include "common/base/clock.h"

namespace fl {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kDayS = 86'400;
constexpr std::int64_t kMinYear = -20'000;  // what the time zones know
constexpr std::int64_t kMaxYear = 20'000;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays = {
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
constexpr std::array<std::string_view, 2> kHalves = {"AM", "PM"};

// Joda knows each name as it is, in small letters and in capitals.
bool is_spelling(std::string_view text, std::string_view name) {
  const auto all = [&](bool (*fits)(char)) { return std::all_of(text.begin(), text.end(), fits); };
  return text == name || (equal_ignoring_case(text, name) &&
                          (all([](char c) { return c == lower(c); }) || all([](char c) {
                             return c == static_cast<char>(std::toupper(lower(c)));
                           })));
}

// The number (from 1) of the name at the start of the text, 0 if there is none; takes it off.
template <std::size_t N>
std::int64_t take_name(std::string_view& text, const std::array<std::string_view, N>& names) {
  constexpr std::size_t kShort = 3;
  for (const bool full : {true, false}) {
    for (std::size_t i = 0; i < N; ++i) {
      const std::string_view name = full ? names[i] : names[i].substr(0, kShort);
      if (is_spelling(text.substr(0, name.size()), name)) {
        text.remove_prefix(name.size());
        return static_cast<std::int64_t>(i) + 1;
      }
    }
  }
  return 0;
}

// At most `most` digits, and a sign before them where it is allowed.
std::optional<std::int64_t> take_number(std::string_view& text, std::size_t most, bool is_signed) {
  const bool has_sign = is_signed && !text.empty() && (text[0] == '-' || text[0] == '+');
  const bool negative = has_sign && text[0] == '-';
  std::size_t at = has_sign ? 1 : 0;
  const std::size_t end = std::min(at + most, text.size());
  std::int64_t value = 0;
  const std::size_t begin = at;
  for (; at < end && is_digit(text[at]); ++at) {
    value = value * 10 + (text[at] - '0');
  }
  if (at == begin) {
    return std::nullopt;
  }
  text.remove_prefix(at);
  return negative ? -value : value;
}

bool is_number(char letter, std::size_t count) {
  return std::string_view("yYdDHhKkmsSe").find(letter) != std::string_view::npos ||
         (letter == 'M' && count <= 2);
}

// Days since 1970-01-01 of a proleptic Gregorian date.
std::int64_t days_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t year_of_era = y - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
         719'468;
}

bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

std::int64_t days_in(std::int64_t year, std::int64_t month) {
  constexpr std::array<std::int64_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && is_leap(year) ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

std::int64_t this_year() {
  const auto today = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(wall_ms())));
  return static_cast<int>(std::chrono::year_month_day(today).year());
}

std::int64_t floor_mod(std::int64_t a, std::int64_t b) { return ((a % b) + b) % b; }

// Milliseconds since 1970 of a local time; nothing for an hour that the clocks leave out.
std::optional<std::int64_t> instant(const PathClock& clock, std::int64_t local_ms) {
  const auto offset_at = [&](std::int64_t ms) -> std::optional<std::int64_t> {
    const auto moment = clock.at(ms);
    return moment ? std::optional<std::int64_t>(moment->offset_s * 1000) : std::nullopt;
  };
  // The offset before a change first: of a repeated hour it gives the first one.
  for (const std::int64_t side : {-kDayMs, kDayMs}) {
    const std::optional<std::int64_t> offset = offset_at(local_ms + side);
    if (offset && offset_at(local_ms - *offset) == offset) {
      return local_ms - *offset;
    }
  }
  return std::nullopt;
}

}  // namespace

struct JodaTime::Fields {
  std::optional<std::int64_t> year, month, day_of_year, day, weekday;
  std::optional<std::int64_t> half, hour, hour_of_half;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  std::int64_t millisecond = 0;
  std::optional<std::int64_t> offset_ms;
  std::optional<PathClock> zone;
  std::string zone_name;
};

Result<JodaTime> JodaTime::parse(std::string_view pattern, const std::string& zone) {
  PathTimeOptions options;
  options.time_zone = zone;
  Result<PathClock> clock = PathClock::make(options);
  if (!clock) {
    return clock.error();
  }
  JodaTime out(*clock);
  const char* const variable = std::getenv("TZ");
  out.zone_name_ = !zone.empty()         ? zone
                   : variable != nullptr ? std::string(variable)
                                         : "the system's time zone";
  out.pivot_year_ = this_year() - 30;
  const auto refused = [&](const std::string& why, std::string hint = {}) {
    return Error{ErrorClass::config,
                 "cannot use the time pattern '" + std::string(pattern) + "': " + why,
                 std::move(hint)};
  };
  std::size_t i = 0;
  while (i < pattern.size()) {
    Token token;
    if (is_letter(pattern[i])) {
      token.letter = pattern[i];
      while (i < pattern.size() && pattern[i] == token.letter) {
        ++i;
        ++token.count;
      }
      if (std::string_view("CGwxz").find(token.letter) != std::string_view::npos) {
        return refused(std::string("the letter ") + token.letter + " is not read here",
                       "Z reads an offset such as +0200, ZZZ a zone such as Europe/Berlin");
      }
      if (std::string_view("yYMdDEeaHKhkmsSZ").find(token.letter) == std::string_view::npos) {
        return refused(std::string("the letter ") + token.letter + " means nothing",
                       "letters that stand for themselves are quoted: 'T'");
      }
    } else {
      bool quoted = false;
      for (; i < pattern.size() && (quoted || !is_letter(pattern[i])); ++i) {
        if (pattern[i] != '\'') {
          token.literal += pattern[i];
        } else if (i + 1 < pattern.size() && pattern[i + 1] == '\'') {
          token.literal += pattern[++i];
        } else {
          quoted = !quoted;
        }
      }
    }
    if (!out.tokens_.empty()) {
      out.tokens_.back().before_number = is_number(token.letter, token.count);
    }
    out.tokens_.push_back(std::move(token));
  }
  if (out.tokens_.empty()) {
    return refused("it is empty", "an example is dd/MMM/yyyy:HH:mm:ss Z");
  }
  return out;
}

std::optional<std::int64_t> JodaTime::millis(std::string_view text, std::string* gap_zone) const {
  Fields fields;
  for (const Token& token : tokens_) {
    if (!read(token, text, fields)) {
      return std::nullopt;
    }
  }
  return text.empty() ? resolve(fields, gap_zone) : std::nullopt;
}

bool JodaTime::read_year(const Token& token, std::string_view& text, Fields& fields) const {
  if (token.count != 2) {
    fields.year = take_number(text, token.before_number ? token.count : 9, token.letter == 'y');
    return fields.year && (token.letter == 'y' || *fields.year > 0);
  }
  const std::string_view before = text;
  if (token.before_number && (text.size() < 2 || !is_digit(text[0]) || !is_digit(text[1]))) {
    return false;
  }
  fields.year = take_number(text, token.before_number ? 2 : 9, !token.before_number);
  if (fields.year && before.size() - text.size() == 2 && is_digit(before[0])) {
    const std::int64_t low = pivot_year_ - 50;
    fields.year = low + floor_mod(*fields.year - low, 100);
  }
  return fields.year.has_value();
}

// +hh, +hhmm, +hh:mm and so on to milliseconds; the letter Z is +00.
bool JodaTime::read_zone(const Token& token, std::string_view& text, Fields& fields) const {
  if (token.count > 2) {
    std::size_t end = 0;
    while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) != 0 ||
                                 std::string_view("/_+-").find(text[end]) != text.npos)) {
      ++end;
    }
    PathTimeOptions options;
    options.time_zone = std::string(text.substr(0, end));
    const Result<PathClock> zone = PathClock::make(options);
    if (end == 0 || !zone) {
      return false;
    }
    fields.zone = *zone;
    fields.zone_name = options.time_zone;
    fields.offset_ms.reset();
    text.remove_prefix(end);
    return true;
  }
  if (text.empty()) {
    return false;
  }
  if (lower(text[0]) == 'z') {
    fields.offset_ms = 0;
    text.remove_prefix(1);
    return true;
  }
  if (text[0] != '+' && text[0] != '-') {
    return false;
  }
  const std::int64_t sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  std::int64_t offset = 0;
  bool colons = false;
  constexpr std::array<std::int64_t, 3> kUnits = {3'600'000, 60'000, 1000};
  constexpr std::array<std::int64_t, 3> kMost = {23, 59, 59};
  for (std::size_t part = 0; part < kUnits.size(); ++part) {
    if (part == 1) {
      colons = !text.empty() && text[0] == ':';
    }
    if (part > 0) {
      const bool more = !text.empty() && (colons ? text[0] == ':' : is_digit(text[0]));
      if (!more) {
        break;
      }
      text.remove_prefix(colons ? 1 : 0);
    }
    if (text.size() < 2 || !is_digit(text[0]) || !is_digit(text[1])) {
      return false;
    }
    const std::int64_t value = *take_number(text, 2, false);
    if (value > kMost[part]) {
      return false;
    }
    offset += value * kUnits[part];
  }
  fields.offset_ms = sign * offset;
  return true;
}

bool JodaTime::read(const Token& token, std::string_view& text, Fields& fields) const {
  const auto number = [&](std::size_t most, std::int64_t low, std::int64_t high) {
    const std::optional<std::int64_t> value = take_number(text, most, false);
    return value && *value >= low && *value <= high ? value : std::nullopt;
  };
  const auto set = [](std::int64_t& field, std::optional<std::int64_t> value) {
    field = value.value_or(0);
    return value.has_value();
  };
  const auto named = [](std::int64_t found) {
    return found != 0 ? std::optional<std::int64_t>(found) : std::nullopt;
  };
  switch (token.letter) {
    case 0:
      if (!equal_ignoring_case(text.substr(0, token.literal.size()), token.literal)) {
        return false;
      }
      text.remove_prefix(token.literal.size());
      return true;
    case 'y':
    case 'Y':
      return read_year(token, text, fields);
    case 'M':
      fields.month = token.count <= 2 ? number(2, 1, 12) : named(take_name(text, kMonths));
      return fields.month.has_value();
    case 'd':
      return (fields.day = number(2, 1, 31)).has_value();
    case 'D':
      return (fields.day_of_year = number(3, 1, 366)).has_value();
    case 'E':
      return (fields.weekday = named(take_name(text, kWeekdays))).has_value();
    case 'e':
      return (fields.weekday = number(1, 1, 7)).has_value();
    case 'a':
      fields.half = named(take_name(text, kHalves));
      return fields.half.has_value();
    case 'H':
      return (fields.hour = number(2, 0, 23)).has_value();
    case 'k':
      if (fields.hour = number(2, 1, 24); fields.hour) {
        *fields.hour %= 24;
      }
      return fields.hour.has_value();
    case 'K':
      return (fields.hour_of_half = number(2, 0, 11)).has_value();
    case 'h':
      if (fields.hour_of_half = number(2, 1, 12); fields.hour_of_half) {
        *fields.hour_of_half %= 12;
      }
      return fields.hour_of_half.has_value();
    case 'm':
      return set(fields.minute, number(2, 0, 59));
    case 's':
      return set(fields.second, number(2, 0, 59));
    case 'S': {
      std::int64_t unit = 100;
      std::size_t digits = 0;
      fields.millisecond = 0;
      for (; digits < token.count && digits < text.size() && is_digit(text[digits]); ++digits) {
        fields.millisecond += (text[digits] - '0') * unit;
        unit /= 10;
      }
      text.remove_prefix(digits);
      return digits > 0;
    }
    default:
      return read_zone(token, text, fields);
  }
}

// Fields are set from the largest to the smallest, each resetting the smaller ones.
std::optional<std::int64_t> JodaTime::resolve(const Fields& fields, std::string* gap_zone) const {
  const bool has_date = fields.month || fields.day_of_year || fields.day || fields.weekday;
  const std::int64_t year = fields.year.value_or(has_date ? 2000 : 1970);
  if (year < kMinYear || year > kMaxYear) {
    return std::nullopt;
  }
  std::int64_t month = fields.month.value_or(1);
  std::int64_t day = 1;
  if (fields.day_of_year) {
    std::int64_t left = *fields.day_of_year;
    for (month = 1; month <= 12 && left > days_in(year, month); ++month) {
      left -= days_in(year, month);
    }
    if (month > 12) {
      return std::nullopt;
    }
    day = left;
  }
  day = fields.day.value_or(day);
  if (day > days_in(year, month)) {
    return std::nullopt;
  }
  std::int64_t days = days_of(year, month, day);
  if (fields.weekday) {
    days += *fields.weekday - 1 - floor_mod(days + 3, 7);  // 1970-01-01 was a Thursday
  }
  std::int64_t hour = fields.hour.value_or(fields.half.value_or(1) == 2 ? 12 : 0);
  if (fields.hour_of_half) {
    hour = hour / 12 * 12 + *fields.hour_of_half;
  }
  const std::int64_t seconds = days * kDayS + hour * 3600 + fields.minute * 60 + fields.second;
  const std::int64_t local = seconds * 1000 + fields.millisecond;
  if (fields.offset_ms) {
    return local - *fields.offset_ms;
  }
  const std::optional<std::int64_t> found = instant(fields.zone ? *fields.zone : clock_, local);
  if (!found && gap_zone != nullptr) {
    *gap_zone = fields.zone ? fields.zone_name : zone_name_;
  }
  return found;
}

}  // namespace fl
