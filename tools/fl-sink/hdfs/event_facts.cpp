#include "tools/fl-sink/hdfs/event_facts.h"

#include "common/event/path_clock.h"

namespace fl {

Result<std::int64_t> time_of(const Event& event, std::string_view what) {
  const auto text = find_header(event, "timestamp");
  const char* const hint =
      "put `fl-intercept ts |` before this stage, or use --use-local-time-stamp";
  if (!text) {
    return Error{ErrorClass::input,
                 "an event has no header 'timestamp', and " + std::string(what) + " needs a time",
                 hint};
  }
  const auto ms = parse_timestamp(*text);
  if (!ms) {
    return Error{ErrorClass::input,
                 "the header 'timestamp' of an event is not a number of milliseconds: '" +
                     std::string(text->substr(0, 64)) + "'",
                 hint};
  }
  return *ms;
}

}  // namespace fl
