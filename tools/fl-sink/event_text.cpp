#include "tools/fl-sink/event_text.h"

#include <algorithm>
#include <string_view>

#include "common/base/log.h"

namespace fl {
namespace {

constexpr std::size_t kRow = 16;
constexpr char kHex[] = "0123456789ABCDEF";

void append_row(std::string& out, std::string_view row) {
  for (const char c : row) {
    const auto byte = static_cast<std::uint8_t>(c);
    out += {kHex[byte >> 4], kHex[byte & 15], ' '};
  }
  out.append(3 * (kRow - row.size()), ' ');
  for (const char c : row) {
    out += c >= 0x20 && c <= 0x7E ? c : '.';
  }
}

}  // namespace

void append_logger_text(std::string& out, const Event& event, std::uint64_t max_bytes,
                        JavaMap& map) {
  out += "Event: { headers:";
  if (event.has_headers()) {
    map.assign(event);
    std::string headers;
    map.append_text(headers);
    out += printable(headers);
  } else {
    out += "{}";
  }
  out += " body: ";
  const std::string_view body = event.body().substr(0, max_bytes);
  for (std::size_t at = 0; at < body.size(); at += kRow) {
    if (at != 0) {
      out += '\n';
      for (int shift = 28; shift >= 0; shift -= 4) {
        out += kHex[at >> shift & 15];
      }
      out += ' ';
    }
    append_row(out, body.substr(at, kRow));
  }
  out += body.empty() ? "}" : " }";
}

}  // namespace fl
