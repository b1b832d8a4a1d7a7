// Bodies of HTTP requests: whatever comes in, there are events within the limits, or an answer that
// says why not. Input: a byte that chooses the handler, one for the Content-Type, then the body.
#include <string>
#include <string_view>
#include <variant>

#include "tests/fuzz/check.h"
#include "tools/fl-source/http/body_handler.h"
#include "tools/fl-source/http/java_charset.h"

namespace {

using fl::fuzz::check;

constexpr const char* kKinds[] = {"json", "blob", "body", "ndjson", "lines"};
constexpr const char* kTypes[] = {"", "application/json", "text/plain; charset=\"utf-16\"",
                                  "application/json;charset=UTF-32", "a/b; charset=x"};

void check_events(const fl::EncodedEvents& events, const fl::EventLimits& limits,
                  bool has_headers64) {
  std::size_t at = 0;
  for (const std::uint32_t size : events.sizes) {
    check(size <= events.bytes.size() - at, "its size is right");
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(events.bytes.data()) + at;
    fl::Event event;
    const char* why = "";
    check(fl::scan_event(begin, begin + size, limits, event, why) == begin + size,
          "it is an event");
    for (const auto& [key, value] : fl::headers_of(event)) {
      check(has_headers64 || (fl::is_valid_utf8(key) && fl::is_valid_utf8(value)),
            "headers are UTF-8");
    }
    at += size;
  }
  check(at == events.bytes.size(), "nothing is between or after them");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  fl::EventLimits limits;
  limits.body_bytes = 1 << 10;
  const fl::BodyOptions options{kKinds[data[0] % std::size(kKinds)], 100, {}};
  fl::BodyHandler handler(options, limits);
  fl::BodyHead head;
  head.content_type = kTypes[data[1] % std::size(kTypes)];
  head.parameters = {{"k", std::string(body.substr(0, 3))}};
  const auto outcome = handler.events(head, body);
  if (const auto* const answer = std::get_if<fl::HttpAnswer>(&outcome)) {
    check(answer->status >= 400 && answer->status <= 500 && !answer->text.empty(),
          "an answer says why");
  } else {
    check_events(std::get<fl::EncodedEvents>(outcome), limits, options.kind == "ndjson");
  }
  for (const auto charset :
       {fl::JavaCharset::utf8, fl::JavaCharset::utf16, fl::JavaCharset::utf32}) {
    const std::string text = fl::java_decoded(charset, body);
    check(fl::is_valid_utf8(text), "what is decoded is UTF-8");
    check(fl::java_decoded(charset, fl::java_encoded(charset, text)) == text ||
              text.starts_with("\xEF\xBB\xBF") || charset == fl::JavaCharset::utf32,
          "what is encoded comes back");
  }
  return 0;
}
