#include "tools/fl-sink/hive/json_rows.h"

#include <algorithm>

#include "common/json/json.h"

namespace fl {

Status JsonRows::form(const Event& event) {
  const std::string_view body = event.body();
  const Result<Json> parsed = parse_json(body, std::max(body.size(), kMaxJson));
  if (!parsed) {
    return Error{
        ErrorClass::input, "the body of an event is not JSON: " + parsed.error().message, {}};
  }
  if (parsed->type != Json::Type::object) {
    return Error{ErrorClass::input, "the body of an event is JSON, but not an object", {}};
  }
  // Ends of lines can only be between the tokens.
  row_ = body;
  std::replace_if(
      row_.begin(), row_.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return {};
}

}  // namespace fl
