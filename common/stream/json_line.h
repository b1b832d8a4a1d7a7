// Events as lines of JSON: one writer and one reader, so that what was written comes back the same.
//
//   {"headers":{"host":"web1"},"body":"GET /"}
//
// A body that is not valid UTF-8 is "body64", in base 64 with padding; headers of which the name or
// the value is not valid UTF-8 are in "headers64", both in base 64. The reader takes the members in
// any order and without "headers"; it refuses other members, a member twice and values that are not
// strings, since nothing could be made of them that would come back.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/event/event.h"
#include "common/stream/line_form.h"

namespace fl {

/// Appends the event as one object without newline. Each header once, in order of first appearance,
/// those of "headers64" after the others.
void append_json_line(std::string& out, const Event& event);

/// Reads such lines. Blank lines, and a byte order mark of UTF-8, hold no event.
class JsonLine final : public LineForm {
 public:
  JsonLine();
  ~JsonLine() override;
  Result<bool> parse(std::string_view line, const EventLimits& limits) override;
  std::string_view map() const override { return map_; }
  std::string_view body() const override { return body_; }
  std::size_t longest_line(const EventLimits& limits) const override;

 private:
  struct Parser;

  Status read(std::string_view line);

  std::unique_ptr<Parser> parser_;
  Headers headers_;
  std::string map_;
  std::string body_;
  std::string event_;  // both, to be checked
};

}  // namespace fl
