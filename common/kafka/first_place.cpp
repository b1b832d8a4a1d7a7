#include "common/kafka/first_place.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/base/moment.h"
#include "common/base/units.h"

namespace fl {

Result<FirstPlace> FirstPlace::parse(const std::string& text) {
  if (text == "earliest" || text == "latest" || text == "none") {
    return FirstPlace{text == "latest" ? Kind::latest
                      : text == "none" ? Kind::none
                                       : Kind::earliest,
                      0};
  }
  const bool is_last = text.starts_with('-');
  if (const auto number = parse_count(text.substr(is_last ? 1 : 0), INT64_MAX); number) {
    return FirstPlace{is_last ? Kind::last : Kind::time, static_cast<std::int64_t>(*number)};
  }
  const Result<std::uint64_t> moment = parse_moment(text);
  if (!moment) {
    return Error{
        ErrorClass::usage, "'" + printable(text) + "' is not a place in a topic",
        "earliest, latest, none, -100 (the last 100 records of each partition), a time such as "
        "2026-01-31T12:30:00, or milliseconds since 1970"};
  }
  return FirstPlace{Kind::time, static_cast<std::int64_t>(*moment)};
}

std::int64_t FirstPlace::in(std::int64_t low, std::int64_t high, std::int64_t at_time) const {
  switch (kind) {
    case Kind::earliest:
    case Kind::none:
      return low;
    case Kind::latest:
      return high;
    case Kind::time:
      return at_time < 0 ? high : std::max(low, at_time);
    case Kind::last:
      return high - low > value ? high - value : low;
  }
  return low;
}

}  // namespace fl
