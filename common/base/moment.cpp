#include "common/base/moment.h"

#include <ctime>

#include "common/base/log.h"
#include "common/base/units.h"

namespace fl {

Result<std::uint64_t> parse_moment(const std::string& text) {
  const Error wrong{ErrorClass::usage, "'" + printable(text) + "' is not a time",
                    "for example 2026-01-31, 2026-01-31T12:30:00, 2026-01-31T12:30:00Z or "
                    "@1767225600"};
  if (text.size() > 1 && text.front() == '@') {
    const Result<std::uint64_t> seconds = parse_count(text.substr(1), UINT64_MAX / 1000);
    return seconds ? Result<std::uint64_t>(*seconds * 1000) : Result<std::uint64_t>(wrong);
  }
  const bool is_utc = !text.empty() && text.back() == 'Z';
  const std::string local = is_utc ? text.substr(0, text.size() - 1) : text;
  for (const char* const form :
       {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    std::tm parts{};
    parts.tm_isdst = -1;
    const char* const end = ::strptime(local.c_str(), form, &parts);
    if (end != nullptr && *end == '\0') {
      const std::time_t seconds = is_utc ? ::timegm(&parts) : ::mktime(&parts);
      if (seconds >= 0) {
        return static_cast<std::uint64_t>(seconds) * 1000;
      }
    }
  }
  return wrong;
}

}  // namespace fl
