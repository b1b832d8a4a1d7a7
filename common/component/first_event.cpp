#include "common/component/first_event.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/event/path_clock.h"
#include "common/option/suggest.h"

namespace fl {

void look_at_first(const Event& event, const std::vector<std::string>& wanted, bool timed) {
  std::vector<std::string> known;
  for (const auto& [name, value] : headers_of(event)) {
    known.push_back(printable(name));
  }
  constexpr std::size_t kShown = 10;
  std::vector<std::string> first(
      known.begin(), known.begin() + static_cast<std::ptrdiff_t>(std::min(known.size(), kShown)));
  const std::string shown = join(first, ", ") + (known.size() > kShown ? ", ..." : "");
  for (const std::string& name : wanted) {
    if (!find_header(event, name)) {
      log(LogLevel::warning, "the first event has no header '" + name + "': %{" + name +
                                 "} becomes nothing" + did_you_mean(name, known) +
                                 (known.empty() ? "; it has no headers" : "; it has: " + shown));
    }
  }
  constexpr std::int64_t kFirst = 100'000'000;     // in seconds: 1973
  constexpr std::int64_t kLast = 100'000'000'000;  // in milliseconds: 1973
  const auto text = find_header(event, "timestamp");
  const auto time = text && timed ? parse_timestamp(*text) : std::nullopt;
  if (time && *time >= kFirst && *time < kLast) {
    log(LogLevel::warning, "the timestamp " + std::to_string(*time) +
                               " of the first event looks like seconds: it is taken for "
                               "milliseconds, a time before 1974");
  }
}

}  // namespace fl
