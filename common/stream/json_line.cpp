#include "common/stream/json_line.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/base/base64.h"
#include "common/json/simdjson_library.h"
#include "common/stream/text_reader.h"

namespace fl {
namespace {

constexpr char kLowerHex[] = "0123456789abcdef";
constexpr std::string_view kBlank = " \t\r\n";
constexpr std::size_t kDepth = 8;      // the form has two levels
constexpr std::size_t kEscaped = 6;    // bytes of \u0001
constexpr std::size_t kAround = 1024;  // members' names, braces, blanks

void append_string(std::string& out, std::string_view text) {
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

void append_quoted_base64(std::string& out, std::string_view bytes) {
  out += '"';
  append_base64(out, bytes);
  out += '"';
}

Error refused(std::string why, std::string hint = {}) {
  return Error{ErrorClass::input, std::move(why), std::move(hint)};
}

// A name that may be hostile, for a message.
std::string shown(std::string_view name) {
  return "\"" + std::string(name.substr(0, 64)) + (name.size() > 64 ? "..." : "") + "\"";
}

}  // namespace

void append_json_line(std::string& out, const Event& event) {
  out += R"({"headers":{)";
  Headers foreign;
  if (event.has_headers()) {
    bool first = true;
    for (auto& [key, value] : headers_of(event)) {
      if (!is_valid_utf8(key) || !is_valid_utf8(value)) {
        foreign.emplace_back(std::move(key), std::move(value));
        continue;
      }
      out += first ? "" : ",";
      first = false;
      append_string(out, key);
      out += ':';
      append_string(out, value);
    }
  }
  out += '}';
  for (const auto& [key, value] : foreign) {
    out += &key == &foreign.front().first ? R"(,"headers64":{)" : ",";
    append_quoted_base64(out, key);
    out += ':';
    append_quoted_base64(out, value);
  }
  out += foreign.empty() ? "" : "}";
  if (is_valid_utf8(event.body())) {
    out += R"(,"body":)";
    append_string(out, event.body());
  } else {
    out += R"(,"body64":)";
    append_quoted_base64(out, event.body());
  }
  out += '}';
}

struct JsonLine::Parser {
  simdjson::dom::parser parser;
};

JsonLine::JsonLine() : parser_(std::make_unique<Parser>()) {}
JsonLine::~JsonLine() = default;

std::size_t JsonLine::longest_line(const EventLimits& limits) const {
  return kEscaped * (std::size_t{limits.body_bytes} + limits.header_bytes) + kAround;
}

Result<bool> JsonLine::parse(std::string_view line, const EventLimits& limits) {
  if (line.starts_with(kUtf8Mark)) {
    line.remove_prefix(kUtf8Mark.size());
  }
  if (line.find_first_not_of(kBlank) == std::string_view::npos) {
    return false;
  }
  headers_.clear();
  map_.clear();
  if (Status status = read(line); !status) {
    return status.error();
  }
  if (!headers_.empty()) {
    append_map(map_, headers_);
  }
  event_.clear();
  append_event(event_, headers_, body_);
  const auto* const p = reinterpret_cast<const std::uint8_t*>(event_.data());
  Event event;
  const char* why = "";
  if (scan_event(p, p + event_.size(), limits, event, why) == nullptr) {
    return refused("no event: " + std::string(why));
  }
  return true;
}

Status JsonLine::read(std::string_view line) {
  if (Status loaded = load_simdjson(); !loaded) {
    return loaded;
  }
  simdjson::dom::parser& parser = parser_->parser;
  if (parser.capacity() < line.size() || parser.max_depth() != kDepth) {
    if (parser.allocate(std::max<std::size_t>(2 * line.size(), 4096), kDepth) !=
        simdjson::SUCCESS) {
      return Error{ErrorClass::bug, "no memory to parse JSON"};
    }
  }
  simdjson::dom::element document;
  if (const auto error = parser.parse(line.data(), line.size()).get(document);
      error != simdjson::SUCCESS) {
    return refused(std::string("not JSON: ") + simdjson_message(error));
  }
  simdjson::dom::object members;
  if (document.get(members) != simdjson::SUCCESS) {
    return refused("not a JSON object");
  }
  const auto take_headers = [this](simdjson::dom::element element, bool is_base64) -> Status {
    simdjson::dom::object headers;
    if (element.get(headers) != simdjson::SUCCESS) {
      return refused(is_base64 ? "\"headers64\" is not an object" : "\"headers\" is not an object");
    }
    for (const auto [name, value] : headers) {
      std::string_view text;
      if (value.get(text) != simdjson::SUCCESS) {
        return refused("the header " + shown(name) + " is not a string");
      }
      std::optional<std::string> key(name);
      std::optional<std::string> content(text);
      if (is_base64) {
        key = base64_decoded(name);
        content = base64_decoded(text);
        if (!key || !content) {
          return refused("the header " + shown(name) + " of \"headers64\" is not base 64");
        }
      }
      if (std::any_of(headers_.begin(), headers_.end(),
                      [&key](const auto& header) { return header.first == *key; })) {
        return refused("the header " + shown(name) + " is there twice");
      }
      headers_.emplace_back(std::move(*key), std::move(*content));
    }
    return {};
  };
  bool has_body = false;
  bool has_headers = false;
  bool has_headers64 = false;
  for (const auto [name, value] : members) {
    const bool is_base64 = name.ends_with("64");
    if (name == "headers" || name == "headers64") {
      if (std::exchange(is_base64 ? has_headers64 : has_headers, true)) {
        return refused(shown(name) + " is there twice");
      }
      if (Status status = take_headers(value, is_base64); !status) {
        return status;
      }
    } else if (name == "body" || name == "body64") {
      std::string_view text;
      if (std::exchange(has_body, true)) {
        return refused("there is more than one body");
      }
      if (value.get(text) != simdjson::SUCCESS) {
        return refused(shown(name) + " is not a string");
      }
      std::optional<std::string> body = is_base64 ? base64_decoded(text) : std::string(text);
      if (!body) {
        return refused("\"body64\" is not base 64");
      }
      body_ = std::move(*body);
    } else {
      return refused(
          "an unknown member " + shown(name),
          "other JSON is text: without --format json each line is a body, and fl-intercept "
          "json makes headers of its fields");
    }
  }
  if (!has_body) {
    return refused("there is no \"body\"");
  }
  return {};
}

}  // namespace fl
