// An event: headers and a body, as a span in the block that carried it. Nothing is decoded or
// copied until somebody looks. Format: the Avro record {headers: map<string>, body: bytes} that
// Flume's avro_event serializer writes (fl-stream(5)).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// What one event may hold. The same limits for every input: stream, text, foreign files.
struct EventLimits {
  std::uint32_t body_bytes = 1 << 20;     ///< --max-event
  std::uint32_t header_bytes = 64 << 10;  ///< all headers as encoded
  std::uint32_t headers = 64;
  std::uint32_t name_bytes = 256;
  std::uint32_t value_bytes = 4 << 10;
};

/// A span of `size` bytes at `data`: `map_size` bytes of header map (its end included), then the
/// body's length, then the body. The bytes belong to a block; the span does not outlive it.
struct Event {
  const std::uint8_t* data = nullptr;
  std::uint32_t size = 0;
  std::uint32_t map_size = 0;
  std::uint32_t body_offset = 0;

  std::string_view bytes() const { return {reinterpret_cast<const char*>(data), size}; }
  std::string_view body() const {
    return {reinterpret_cast<const char*>(data) + body_offset, size - body_offset};
  }
  bool has_headers() const { return map_size > 1; }
};

/// Finds the end of the event at `p`, checking every length against `end` and `limits`.
/// Returns nullptr and the reason in `why` (a static text) where there is none.
const std::uint8_t* scan_whole_event(const std::uint8_t* p, const std::uint8_t* end,
                                     const EventLimits& limits, Event& event, const char*& why);

/// The same, with the most common event inlined: no headers, a body of less than 8 KiB.
inline const std::uint8_t* scan_event(const std::uint8_t* p, const std::uint8_t* end,
                                      const EventLimits& limits, Event& event, const char*& why) {
  if (end - p >= 3 && p[0] == 0 && (p[1] & 1) == 0) {
    const bool two = (p[1] & 0x80) != 0;
    const std::uint32_t before = two ? 3 : 2;
    const std::uint32_t body = two ? (std::uint32_t{p[2]} << 6) | ((p[1] & 0x7Fu) >> 1) : p[1] >> 1;
    if ((!two || (p[2] & 0x80) == 0) && body <= static_cast<std::size_t>(end - p) - before &&
        body <= limits.body_bytes) {
      event = {p, before + body, 1, before};
      return p + before + body;
    }
  }
  return scan_whole_event(p, end, limits, event, why);
}

/// Walks the headers in stream order; on duplicate keys the last one counts.
class HeaderCursor {
 public:
  explicit HeaderCursor(const Event& event)
      : next_(event.data), end_(event.data + event.map_size) {}
  /// False at the end. The views live as long as the event's block.
  bool next(std::string_view& key, std::string_view& value);

 private:
  const std::uint8_t* next_;
  const std::uint8_t* end_;
  std::int64_t left_ = 0;
};

using Headers = std::vector<std::pair<std::string, std::string>>;

/// The value of header `key`, the last one if the stream holds several.
std::optional<std::string_view> find_header(const Event& event, std::string_view key);
/// All headers, each key once, in order of first appearance with the last value.
Headers headers_of(const Event& event);

/// Appends a header map in our form: one block with its byte size, so that readers can skip
/// it, then the end. No headers: a single 0.
void append_map(std::string& out, const Headers& headers);
/// Appends one block of a map (without the end): a prefix that adds headers to an event.
void append_map_block(std::string& out, const Headers& headers);
/// Appends a whole event.
void append_event(std::string& out, const Headers& headers, std::string_view body);

/// `text` as valid UTF-8: each byte that is not part of a valid sequence becomes %XX (upper-case
/// hex). Valid text, `%` included, stays as it is. Header keys and values pass through this.
std::string utf8_escaped(std::string_view text);
bool is_valid_utf8(std::string_view text);

}  // namespace fl
