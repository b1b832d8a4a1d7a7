// Numbers with units, as users type them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// A number of bytes. Typed as 1234, 64K, 64KiB, 1MiB, 1.5G (binary) or 64KB, 1MB (decimal).
struct Bytes {
  std::uint64_t value = 0;
  friend bool operator==(Bytes, Bytes) = default;
};
/// A span of time in milliseconds. Typed as 500ms, 10s, 5m, 5min, 24h, 7d; a bare number is
/// seconds.
struct Duration {
  std::int64_t ms = 0;
  friend bool operator==(Duration, Duration) = default;
};

Result<Bytes> parse_bytes(std::string_view text);
Result<Duration> parse_duration(std::string_view text);
/// Decimal digits only, no sign, no blank, at most `max`.
Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t max = UINT64_MAX);
/// The shortest exact form that parse_bytes reads back, for example "128MiB".
std::string to_string(Bytes bytes);
/// The shortest exact form that parse_duration reads back, for example "5m".
std::string to_string(Duration duration);
/// About three digits for people: "1.23 MiB".
std::string human_bytes(double bytes);

}  // namespace fl
