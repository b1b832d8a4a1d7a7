// Headers as a Java HashMap holds and prints them: Flume keeps headers in one, so its order shows
// in every format that writes all headers.
//
// Order: by bucket, (h ^ h >>> 16) & (capacity - 1) of the key's String.hashCode() h, within a
// bucket by insertion. Capacity 16, doubled when more than three quarters of it are keys.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/event.h"

namespace fl {

/// Java's String.hashCode() of valid UTF-8: over its UTF-16 units, 32 bits, wrapping. A byte that
/// is not part of a valid character counts as U+FFFD.
std::uint32_t java_string_hash(std::string_view text);

/// One event's headers in Java's order. Reuse it: after a few events assign() allocates nothing.
class JavaMap {
 public:
  struct Entry {
    std::string_view key;
    std::string_view value;
    std::uint32_t hash = 0;
  };

  /// Takes the event's headers; of a key that occurs twice the last value, at its first place. The
  /// views live as long as the event's block.
  void assign(const Event& event);
  std::span<const Entry> entries() const { return entries_; }

  /// Appends "{k=v, k2=v2}", "{}" without headers. Nothing is escaped, as in Java.
  void append_text(std::string& out) const;

 private:
  std::vector<Entry> entries_;
};

}  // namespace fl
