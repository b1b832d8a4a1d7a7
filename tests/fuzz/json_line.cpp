// Lines of JSON as events: an event that is read is written and read again as the same; no line
// makes an event beyond the limits, and one that is refused says why. Input: the line, or an event
// if its first byte is odd: 2 bytes of sizes, header, value, body.
#include "common/stream/json_line.h"

#include <string>
#include <string_view>

#include "common/event/event.h"
#include "tests/fuzz/check.h"

namespace {

using fl::fuzz::check;

// The event of `reader`, whose bytes stay in `bytes`.
fl::Event event_of(const fl::JsonLine& reader, std::string& bytes) {
  bytes.clear();
  fl::append_event(bytes, {}, reader.body());
  if (!reader.map().empty()) {
    bytes = std::string(reader.map()) + bytes.substr(1);
  }
  fl::Event event;
  const char* why = "";
  const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  check(fl::scan_event(p, p + bytes.size(), {}, event, why) != nullptr, "it is an event");
  return event;
}

void check_again(const fl::JsonLine& first) {
  std::string bytes;
  std::string line;
  const fl::Event event = event_of(first, bytes);
  fl::append_json_line(line, event);
  check(line.find('\n') == std::string::npos, "one event is one line");
  fl::JsonLine second;
  const fl::Result<bool> read = second.parse(line, {});
  check(read && *read, "what was written can be read");
  check(second.body() == first.body(), "the body comes back");
  std::string again;
  std::string twice;
  fl::append_json_line(again, event_of(second, twice));
  check(line == again, "the headers come back");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fl::JsonLine reader;
  if (size < 3 || (data[0] & 1) == 0) {
    const fl::Result<bool> read = reader.parse(text.substr(size > 0 ? 1 : 0), {});
    if (!read) {
      check(!read.error().message.empty(), "a refused line says why");
    } else if (*read) {
      check_again(reader);
    }
    return 0;
  }
  std::string_view rest = text.substr(3);
  const std::string key(rest.substr(0, data[1]));
  rest.remove_prefix(key.size());
  const std::string value(rest.substr(0, data[2]));
  rest.remove_prefix(value.size());
  std::string bytes;
  fl::append_event(bytes, {{key, value}}, rest);
  fl::Event event;
  const char* why = "";
  const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  check(fl::scan_event(p, p + bytes.size(), {}, event, why) != nullptr, "it is an event");
  std::string line;
  fl::append_json_line(line, event);
  const fl::Result<bool> read = reader.parse(line, {});
  check(read && *read, "an event can be written and read");
  check(reader.body() == rest, "its body comes back");
  const fl::Headers headers = fl::headers_of(event_of(reader, bytes));
  check(headers == fl::Headers{{key, value}}, "its header comes back");
  check_again(reader);
  return 0;
}
