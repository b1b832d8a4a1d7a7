#include "common/component/line_rules.h"

#include <optional>

namespace fl {
namespace {

std::optional<char> delimiter_byte(const std::string& text) {
  if (text.size() == 1) {
    return text[0];
  }
  if (text == "\\n") {
    return '\n';
  }
  if (text == "\\t") {
    return '\t';
  }
  if (text == "\\r") {
    return '\r';
  }
  if (text == "\\0") {
    return '\0';
  }
  if (text.size() == 4 && text.starts_with("\\x")) {
    const std::size_t end = text.find_first_not_of("0123456789abcdefABCDEF", 2);
    if (end == std::string::npos) {
      return static_cast<char>(std::stoi(text.substr(2), nullptr, 16));
    }
  }
  return std::nullopt;
}

}  // namespace

Result<LineRules> line_rules(const TextOptions& options) {
  LineRules rules;
  const std::optional<char> delimiter = delimiter_byte(options.delimiter);
  if (!delimiter) {
    return Error{ErrorClass::usage, "--delimiter '" + options.delimiter + "' is not one byte",
                 "one character, or \\n \\t \\r \\0 \\xNN"};
  }
  rules.delimiter = options.null_data ? '\0' : *delimiter;
  if (options.max_line.value == 0 || options.max_line.value > (64u << 20)) {
    return Error{ErrorClass::usage, "--max-line is not between 1 and 64MiB", {}};
  }
  rules.max_line = static_cast<std::uint32_t>(options.max_line.value);
  rules.long_line = options.long_line == "truncate" ? LongLine::truncate
                    : options.long_line == "reject" ? LongLine::reject
                                                    : LongLine::split;
  rules.strip_cr = options.crlf == "strip";
  return rules;
}

}  // namespace fl
