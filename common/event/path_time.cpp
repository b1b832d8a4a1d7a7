#include "common/event/path_time.h"

#include <array>
#include <charconv>

#include <date/date.h>

namespace fl {
namespace {

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

}  // namespace

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

void append_time(std::string& out, char letter, const PathClock::Moment& moment,
                 std::string_view colon) {
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
      out += colon;
      append_number(out, in_day / 60 % 60, 2);
      out += colon;
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

}  // namespace fl
