#include "tools/fl-source/http/body_handler.h"

#include <strings.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "common/base/log.h"
#include "common/stream/json_line.h"
#include "tools/fl-source/http/gson_reader.h"
#include "tools/fl-source/http/java_charset.h"

namespace fl {
namespace {

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string event_name(const EncodedEvents& events) {
  return "event " + std::to_string(events.sizes.size() + 1);
}

/// One event of Flume's JSONHandler.
struct JsonEvent {
  Headers headers;
  std::optional<std::string> body;
};

/// The array of a body. Java's exceptions decide the status: a syntax error is 400, anything else
/// 500.
class JsonArray {
 public:
  explicit JsonArray(std::string_view text) : reader_(text) {}

  bool begin() {
    if (reader_.peek() == GsonReader::Token::null) {
      is_absent_ = true;
      return reader_.take(GsonReader::Token::null) && reader_.take(GsonReader::Token::end);
    }
    return reader_.take(GsonReader::Token::begin_array);
  }
  /// The next element is there.
  bool has_next() {
    const GsonReader::Token next = reader_.peek();
    return next != GsonReader::Token::end_array && next != GsonReader::Token::fault;
  }
  /// False: a fault.
  bool next(JsonEvent& event) {
    event.headers.clear();
    event.body.reset();
    if (reader_.peek() == GsonReader::Token::null) {
      is_absent_ = true;
      return reader_.take(GsonReader::Token::null);
    }
    if (!reader_.take(GsonReader::Token::begin_object)) {
      return false;
    }
    while (reader_.peek() != GsonReader::Token::end_object) {
      if (!reader_.take_string(name_) || !member(event)) {
        return false;
      }
    }
    return reader_.take(GsonReader::Token::end_object);
  }
  bool end() {
    return reader_.take(GsonReader::Token::end_array) && reader_.take(GsonReader::Token::end);
  }

  /// Why there are no events, once a fault was met or everything was read.
  std::optional<HttpAnswer> trouble(std::size_t bytes) const {
    if (!reader_.why().empty()) {
      const bool is_empty = !reader_.has_begun();
      return HttpAnswer{is_empty || reader_.is_number_fault() ? 500u : 400u,
                        is_empty ? "the body is empty"
                                 : "not a JSON array of events: " + reader_.why() + " (byte " +
                                       std::to_string(std::min(reader_.offset(), bytes)) + ")"};
    }
    if (is_absent_) {
      return HttpAnswer{500, "null where an event must be"};
    }
    return std::nullopt;
  }

 private:
  bool member(JsonEvent& event) {
    if (name_ == "headers") {
      return headers(event.headers);
    }
    if (name_ != "body") {
      return reader_.skip_value();
    }
    if (reader_.peek() == GsonReader::Token::null) {
      event.body.reset();
      return reader_.take(GsonReader::Token::null);
    }
    return reader_.take_string(event.body.emplace());
  }

  // An object, or an array of pairs, each an array.
  bool headers(Headers& headers) {
    headers.clear();
    is_null_.clear();
    if (reader_.peek() == GsonReader::Token::null) {
      return reader_.take(GsonReader::Token::null);
    }
    const bool is_array = reader_.peek() == GsonReader::Token::begin_array;
    const auto begin = is_array ? GsonReader::Token::begin_array : GsonReader::Token::begin_object;
    const auto end = is_array ? GsonReader::Token::end_array : GsonReader::Token::end_object;
    if (!reader_.take(begin)) {
      return false;
    }
    while (reader_.peek() != end) {
      std::string key;
      std::string value;
      if ((is_array && !reader_.take(GsonReader::Token::begin_array)) ||
          !reader_.take_string(key)) {
        return false;
      }
      const bool is_null = reader_.peek() == GsonReader::Token::null;
      if (!(is_null ? reader_.take(GsonReader::Token::null) : reader_.take_string(value)) ||
          (is_array && !reader_.take(GsonReader::Token::end_array)) ||
          !put(headers, std::move(key), is_null ? "null" : std::move(value), is_null)) {
        return false;
      }
    }
    return reader_.take(end);
  }

  // A key may come again only if it was null before.
  bool put(Headers& headers, std::string key, std::string value, bool is_null) {
    key = java_encoded(JavaCharset::utf8, key);
    value = java_encoded(JavaCharset::utf8, value);
    for (std::size_t i = 0; i < headers.size(); ++i) {
      if (headers[i].first == key) {
        if (!is_null_[i]) {
          return reader_.fail_here("a header is there twice");
        }
        headers[i].second = std::move(value);
        is_null_[i] = is_null;
        return true;
      }
    }
    if (headers.size() == kMaxHeaders) {
      return reader_.fail_here("an event with more than " + std::to_string(kMaxHeaders) +
                               " headers");
    }
    headers.emplace_back(std::move(key), std::move(value));
    is_null_.push_back(is_null);
    return true;
  }

  // Above every limit of an event; it bounds the time of put().
  static constexpr std::size_t kMaxHeaders = 1000;

  GsonReader reader_;
  std::string name_;
  std::vector<bool> is_null_;
  bool is_absent_ = false;
};

std::optional<JavaCharset> json_charset(const std::string& name) {
  if (name.empty() || is_same(name, "utf-8")) {
    return JavaCharset::utf8;
  }
  if (is_same(name, "utf-16")) {
    return JavaCharset::utf16;
  }
  if (is_same(name, "utf-32")) {
    return JavaCharset::utf32;
  }
  return std::nullopt;
}

// JSON is UTF-8 by itself.
bool is_json_type(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const std::string_view trimmed = type.substr(0, type.find_last_not_of(" \t") + 1);
  return is_same(trimmed, "application/json") || is_same(trimmed, "text/json");
}

}  // namespace

std::string charset_of(std::string_view content_type) {
  constexpr std::string_view kName = "charset=";
  std::size_t at = content_type.find(';');
  while (at != std::string_view::npos) {
    std::string_view part = content_type.substr(at + 1);
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    at = content_type.find(';', at + 1);
    if (part.size() < kName.size() || !is_same(part.substr(0, kName.size()), kName)) {
      continue;
    }
    part.remove_prefix(kName.size());
    if (part.starts_with('"')) {
      part.remove_prefix(1);
      return std::string(part.substr(0, part.find('"')));
    }
    return std::string(part.substr(0, part.find_first_of("; \t")));
  }
  return {};
}

struct BodyHandler::Lines {
  JsonLine json;
};

BodyHandler::BodyHandler(BodyOptions options, EventLimits limits)
    : options_(std::move(options)), limits_(limits), lines_(std::make_unique<Lines>()) {}
BodyHandler::~BodyHandler() = default;

std::variant<EncodedEvents, HttpAnswer> BodyHandler::events(const BodyHead& head,
                                                            std::string_view body) {
  Outcome outcome = plain_events(head, body);
  if (const auto* const events = std::get_if<EncodedEvents>(&outcome);
      events != nullptr && !options_.client_header.empty()) {
    return with_client(*events, head.client);
  }
  return outcome;
}

// What a client says of its own address must be removed.
BodyHandler::Outcome BodyHandler::with_client(const EncodedEvents& events,
                                              const std::string& client) {
  EncodedEvents out;
  const auto* at = reinterpret_cast<const std::uint8_t*>(events.bytes.data());
  for (const std::uint32_t size : events.sizes) {
    Event event;
    const char* why = "";
    (void)scan_event(at, at + size, limits_, event, why);
    at += size;
    Headers headers = event.has_headers() ? headers_of(event) : Headers();
    std::erase_if(headers,
                  [this](const auto& each) { return each.first == options_.client_header; });
    headers.emplace_back(options_.client_header, client);
    if (std::optional<HttpAnswer> answer = add(out, headers, event.body())) {
      return std::move(*answer);
    }
  }
  return out;
}

BodyHandler::Outcome BodyHandler::plain_events(const BodyHead& head, std::string_view body) {
  if (options_.kind == "json") {
    return json(head, body);
  }
  if (options_.kind == "ndjson") {
    return ndjson(body);
  }
  return options_.kind == "lines" ? lines(body) : blob(head, body);
}

// Appends an event, unless it exceeds a limit.
std::optional<HttpAnswer> BodyHandler::add(EncodedEvents& to, const Headers& headers,
                                           std::string_view body) {
  const std::size_t before = to.bytes.size();
  append_event(to.bytes, headers, body);
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(to.bytes.data());
  Event event;
  const char* why = "";
  if (scan_event(begin + before, begin + to.bytes.size(), limits_, event, why) == nullptr) {
    return HttpAnswer{413, event_name(to) + ": " + why};
  }
  to.sizes.push_back(static_cast<std::uint32_t>(to.bytes.size() - before));
  return std::nullopt;
}

BodyHandler::Outcome BodyHandler::json(const BodyHead& head, std::string_view body) {
  const std::string name = charset_of(head.content_type);
  const std::optional<JavaCharset> charset = json_charset(name);
  if (!charset) {
    return HttpAnswer{500, "charset '" + printable(name) +
                               "': JSON handler supports UTF-8, UTF-16 and UTF-32 only"};
  }
  std::string decoded;
  if (name.empty() && !is_json_type(head.content_type) && !is_valid_utf8(body)) {
    decoded = latin1_decoded(body);
    body = decoded;
  } else if (*charset != JavaCharset::utf8 || !is_valid_utf8(body)) {
    decoded = java_decoded(*charset, body);
    body = decoded;
  }
  JsonArray array(body);
  EncodedEvents events;
  std::optional<HttpAnswer> too_large;
  JsonEvent event;
  bool is_good = array.begin();
  if (is_good && !array.trouble(body.size())) {
    while (is_good && array.has_next()) {
      is_good = array.next(event);
      if (is_good && !too_large) {
        too_large =
            add(events, event.headers, java_encoded(*charset, event.body.value_or(std::string())));
      }
    }
    is_good = is_good && array.end();
  }
  if (std::optional<HttpAnswer> trouble = array.trouble(body.size())) {
    return std::move(*trouble);
  }
  if (too_large) {
    return std::move(*too_large);
  }
  return events;
}

BodyHandler::Outcome BodyHandler::blob(const BodyHead& head, std::string_view body) {
  const bool has_type = options_.kind == "blob";
  Headers headers;
  if (has_type && !head.content_type.empty()) {
    headers.emplace_back("Content-Type", java_utf8(head.content_type));
  }
  const auto find = [&headers](const std::string& name) {
    return std::find_if(headers.begin(), headers.end(),
                        [&name](const auto& header) { return header.first == name; });
  };
  const std::size_t fixed = headers.size();
  for (const auto& [name, value] : head.parameters) {
    if (!is_valid_utf8(name) || !is_valid_utf8(value)) {
      return HttpAnswer{500, "the query is not UTF-8"};
    }
    const auto found = find(name);
    if (found == headers.end()) {
      headers.emplace_back(name, value);
    } else if (found - headers.begin() < static_cast<std::ptrdiff_t>(fixed)) {
      found->second = value;  // of the Content-Type; else the first counts
    }
  }
  for (const std::string& name : options_.mandatory) {
    if (find(name) == headers.end()) {
      return HttpAnswer{500, "Please specify " + name + " parameter in the request."};
    }
  }
  if (has_type && body.size() > options_.max_blob) {
    return HttpAnswer{413, "the body is larger than " + std::to_string(options_.max_blob) +
                               " bytes (--max-blob-length)"};
  }
  EncodedEvents events;
  if (std::optional<HttpAnswer> answer = add(events, headers, body)) {
    return std::move(*answer);
  }
  return events;
}

BodyHandler::Outcome BodyHandler::ndjson(std::string_view body) {
  EncodedEvents events;
  std::uint64_t number = 0;
  while (!body.empty()) {
    ++number;
    const std::string_view line = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(line.size() + 1, body.size()));
    const Result<bool> has_event = lines_->json.parse(line, limits_);
    if (!has_event) {
      const bool is_large = line.size() > lines_->json.longest_line(limits_) ||
                            has_event.error().message.find("exceeds") != std::string::npos;
      return HttpAnswer{is_large ? 413u : 400u,
                        "line " + std::to_string(number) + ": " + has_event.error().message};
    }
    if (*has_event) {
      const std::size_t before = events.bytes.size();
      const std::string_view map = lines_->json.map();
      events.bytes += map.empty() ? std::string_view("\0", 1) : map;
      Headers none;
      std::string text;
      append_event(text, none, lines_->json.body());
      events.bytes += std::string_view(text).substr(1);  // without its own map
      events.sizes.push_back(static_cast<std::uint32_t>(events.bytes.size() - before));
    }
  }
  return events;
}

BodyHandler::Outcome BodyHandler::lines(std::string_view body) {
  EncodedEvents events;
  while (!body.empty()) {
    std::string_view line = body.substr(0, body.find(options_.delimiter));
    body.remove_prefix(std::min(line.size() + 1, body.size()));
    if (options_.strip_cr && line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (std::optional<HttpAnswer> answer = add(events, {}, line)) {
      return std::move(*answer);
    }
  }
  return events;
}

}  // namespace fl
