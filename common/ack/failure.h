// How a stage failed, as the stages below it learn it (fl-ack(7)).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// A status from 64 to 78, and the reason in words: printable, one line, at most kMaxMessage bytes.
/// It travels as "STATUS MESSAGE" in the line `fail` of the side connection and, where a stream
/// never began, as the header's metadata `fl.failed`.
struct Failure {
  static constexpr std::size_t kMaxMessage = 480;  // a line has 512 bytes

  int status = static_cast<int>(ErrorClass::again);
  std::string message;

  /// Makes the text fit for a line.
  Failure(int status, std::string_view message);
  explicit Failure(const Error& error) : Failure(static_cast<int>(error.kind), error.message) {}

  /// Reads "STATUS MESSAGE" from another process, which may say anything: a status outside 64 to 78
  /// counts as 75.
  static Failure parse(std::string_view text);
  std::string text() const { return std::to_string(status) + " " + message; }
};

/// How a stream ends: nothing: it is whole (`end`); else why it is not (`fail`).
using StreamEnd = std::optional<Failure>;

}  // namespace fl
