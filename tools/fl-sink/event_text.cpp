#include "tools/fl-sink/event_text.h"

#include <algorithm>
#include <string_view>

#include "common/base/log.h"

namespace fl {
namespace {

constexpr std::size_t kRow = 16;
constexpr char kHex[] = "0123456789ABCDEF";
constexpr char kLowerHex[] = "0123456789abcdef";

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

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += {kLowerHex[byte >> 4], kLowerHex[byte & 15]};
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      word = word << 8 | (j < count ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += j <= count ? kDigits[word >> (18 - 6 * j) & 63] : '=';
    }
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

void append_json_text(std::string& out, const Event& event) {
  out += R"({"headers":{)";
  if (event.has_headers()) {
    bool first = true;
    for (const auto& [key, value] : headers_of(event)) {
      if (!first) {
        out += ',';
      }
      first = false;
      append_json_string(out, is_valid_utf8(key) ? key : utf8_escaped(key));
      out += ':';
      append_json_string(out, is_valid_utf8(value) ? value : utf8_escaped(value));
    }
  }
  if (is_valid_utf8(event.body())) {
    out += R"(},"body":)";
    append_json_string(out, event.body());
  } else {
    out += R"(},"body64":")";
    append_base64(out, event.body());
    out += '"';
  }
  out += '}';
}

}  // namespace fl
