#include "common/kafka/topics.h"

#include <fmt/format.h>

#include <utility>

#include "common/component/first_event.h"
#include "common/kafka/settings.h"

namespace fl {
namespace {

int hex(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// A path makes values safe by %XX; topics have rules of their own, which apply to the value itself.
void undo_escapes(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex(text[i + 1]) : -1;
    const int low = high >= 0 ? hex(text[i + 2]) : -1;
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
}

Error bad_name(ErrorClass kind, std::string_view name, const std::string& fault) {
  return {kind, fmt::format("'{}' is not a topic name: {}", name.substr(0, 80), fault), {}};
}

}  // namespace

Result<TopicNames> TopicNames::make(const std::string& pattern, const std::string& header) {
  TopicNames names;
  names.text_ = pattern;
  names.header_ = header;
  if (pattern.find('/') != std::string::npos) {
    return bad_name(ErrorClass::usage, pattern, *topic_name_fault("/"));
  }
  Result<PathTemplate> parsed = PathTemplate::parse(pattern);
  if (!parsed) {
    return parsed.error();
  }
  if (!parsed->unknown().empty()) {
    return Error{ErrorClass::config,
                 fmt::format("unknown escape '{}' in the topic", parsed->unknown().front()),
                 "%{NAME} is a header, %Y a year"};
  }
  names.pattern_ = std::move(*parsed);
  if (names.pattern_.is_constant()) {
    if (const auto fault = topic_name_fault(names.pattern_.fixed())) {
      return bad_name(ErrorClass::usage, pattern, *fault);
    }
    names.name_ = names.pattern_.fixed();
  }
  if (names.pattern_.needs_time()) {
    Result<PathClock> clock = PathClock::make({});
    if (!clock) {
      return clock.error();
    }
    names.clock_ = *clock;
  }
  return names;
}

Result<std::string_view> TopicNames::of(const Event& event) {
  if (is_constant()) {
    return std::string_view(name_);
  }
  std::optional<std::string_view> given;
  if (!header_.empty()) {
    given = find_header(event, header_);
  }
  std::string_view name;
  if (given) {
    name = *given;
  } else if (pattern_.is_constant()) {
    name = pattern_.fixed();
  } else {
    if (!std::exchange(has_looked_, true)) {
      look_at_first(event, pattern_.headers(), clock_.has_value());
    }
    if (Status expanded = expand(event); !expanded) {
      return expanded.error();
    }
    name = name_;
  }
  if (const auto fault = topic_name_fault(name)) {
    return bad_name(ErrorClass::input, name, *fault);
  }
  return name;
}

Status TopicNames::expand(const Event& event) {
  if (clock_) {
    const auto text = find_header(event, "timestamp");
    const auto ms = text ? parse_timestamp(*text) : std::nullopt;
    if (!ms) {
      return Error{ErrorClass::input,
                   "an event has no header 'timestamp' in milliseconds, and the topic needs a time",
                   "put `fl-intercept ts |` before this stage"};
    }
    if (*ms < span_.from_ms || *ms >= span_.until_ms) {
      const Result<PathClock::Moment> moment = clock_->at(*ms);
      if (!moment) {
        return moment.error();
      }
      moment_ = *moment;
      span_ = clock_->span(*ms, pattern_.time_step());
    }
  }
  escaped_.clear();
  pattern_.expand(event, &moment_, escaped_);
  name_.clear();
  if (escaped_ != "%-") {  // else it is empty
    undo_escapes(escaped_, name_);
  }
  return {};
}

}  // namespace fl
