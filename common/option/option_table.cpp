#include "common/option/option_table.h"

#include <fmt/format.h>

#include <cctype>
#include <limits>

#include "common/base/text.h"

namespace fl {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string option_name(std::string_view key) {
  const std::size_t dot = key.find('.');
  if (dot != std::string_view::npos) {
    key.remove_prefix(dot + 1);
  }
  std::string name;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const char c = key[i];
    if (c == '.' || c == '_') {
      name += '-';
      continue;
    }
    if (!is_upper(c)) {
      name += c;
      continue;
    }
    const char before = i > 0 ? key[i - 1] : '\0';
    const char behind = i + 1 < key.size() ? key[i + 1] : '\0';
    // A word begins where a small letter ends, and at the last capital of a run: HTTPPort.
    if (is_lower_or_digit(before) || (is_upper(before) && is_lower_or_digit(behind))) {
      name += '-';
    }
    name += static_cast<char>(std::tolower(c));
  }
  return name;
}

namespace option_detail {
namespace {

template <typename T>
Status assign(Result<T> parsed, T& out) {
  if (!parsed) {
    return parsed.error();
  }
  out = *parsed;
  return {};
}

}  // namespace

Status parse(std::string_view text, bool& out) {
  if (text == "true" || text == "yes" || text == "on" || text == "1") {
    out = true;
  } else if (text == "false" || text == "no" || text == "off" || text == "0") {
    out = false;
  } else {
    return Error{ErrorClass::usage, fmt::format("'{}' is neither true nor false", text)};
  }
  return {};
}

Status parse(std::string_view text, std::uint64_t& out) { return assign(parse_count(text), out); }

Status parse(std::string_view text, std::int64_t& out) {
  const bool negative = !text.empty() && text.front() == '-';
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const Result<std::uint64_t> digits = parse_count(negative ? text.substr(1) : text, kMax);
  if (!digits) {
    return Error{ErrorClass::usage, fmt::format("'{}' is not a whole number", text)};
  }
  out = negative ? -static_cast<std::int64_t>(*digits) : static_cast<std::int64_t>(*digits);
  return {};
}

Status parse(std::string_view text, Bytes& out) { return assign(parse_bytes(text), out); }

Status parse(std::string_view text, Duration& out) { return assign(parse_duration(text), out); }

Status parse(std::string_view text, std::string& out) {
  out = text;
  return {};
}

Status parse(std::string_view text, std::vector<std::string>& out) {
  out.emplace_back(text);
  return {};
}

std::string render(bool value) { return value ? "true" : "false"; }
std::string render(std::uint64_t value) { return std::to_string(value); }
std::string render(std::int64_t value) { return std::to_string(value); }
std::string render(Bytes value) { return to_string(value); }
std::string render(Duration value) { return to_string(value); }
std::string render(const std::string& value) { return value; }
std::string render(const std::vector<std::string>& value) { return join(value, " "); }

}  // namespace option_detail
}  // namespace fl
