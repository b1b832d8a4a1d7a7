// Which topic an event belongs to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/event/path_escape.h"

namespace fl {

/// A pattern with Flume's escapes, and a header that overrides it.
class TopicNames {
 public:
  /// `header`: empty: nothing overrides the pattern. Errors: class usage for a name that Kafka does
  /// not take, config for an invalid escape.
  static Result<TopicNames> make(const std::string& pattern, const std::string& header);

  /// The topic does not depend on the event.
  bool is_constant() const { return pattern_.is_constant() && header_.empty(); }
  /// The pattern as it was given.
  const std::string& pattern() const { return text_; }
  /// Valid until the next call. Errors, class input: no usable timestamp, a name that Kafka does
  /// not take.
  Result<std::string_view> of(const Event& event);

 private:
  Status expand(const Event& event);

  std::string text_;
  bool has_looked_ = false;
  std::string header_;
  PathTemplate pattern_;
  std::optional<PathClock> clock_;
  PathClock::Moment moment_;
  PathClock::Span span_;
  std::string escaped_;
  std::string name_;
};

}  // namespace fl
