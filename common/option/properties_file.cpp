#include "common/option/properties_file.h"

#include <algorithm>
#include <cstdint>
#include <optional>

namespace fl {
namespace {

constexpr std::string_view kBlanks = " \t\f";
constexpr std::uint32_t kReplacement = 0xFFFD;

void append_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
}

// The number of the four hexadecimal digits at the start of `text`.
std::optional<std::uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) {
    return std::nullopt;
  }
  std::uint32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    value = value * 16 + static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
  }
  return value;
}

bool is_high(std::uint32_t c) { return c >= 0xD800 && c < 0xDC00; }
bool is_low(std::uint32_t c) { return c >= 0xDC00 && c < 0xE000; }

// One key or value with its escapes resolved.
class Unescaped {
 public:
  explicit Unescaped(std::string_view text) {
    for (std::size_t i = 0; i < text.size() && ok_; ++i) {
      const char c = text[i];
      if (c != '\\') {
        latin1_ = latin1_ || static_cast<unsigned char>(c) >= 0x80;
        append_utf8(text_, static_cast<unsigned char>(c));
      } else if (++i < text.size()) {
        i += escape(text.substr(i));
      }
    }
  }

  const std::string& text() const { return text_; }
  bool ok() const { return ok_; }
  bool latin1() const { return latin1_; }

 private:
  // What follows the backslash; how many characters it took after the first.
  std::size_t escape(std::string_view rest) {
    constexpr std::string_view kLetters = "tnrf";
    constexpr std::string_view kMeanings = "\t\n\r\f";
    if (rest.front() != 'u') {
      const std::size_t letter = kLetters.find(rest.front());
      append_utf8(text_, static_cast<unsigned char>(
                             letter == std::string_view::npos ? rest.front() : kMeanings[letter]));
      return 0;
    }
    const std::optional<std::uint32_t> first = hex4(rest.substr(1));
    if (!first) {
      ok_ = false;
      return 0;
    }
    if (!is_high(*first) && !is_low(*first)) {
      append_utf8(text_, *first);
      return 4;
    }
    const std::string_view next = rest.substr(5);
    const std::optional<std::uint32_t> second =
        next.starts_with("\\u") ? hex4(next.substr(2)) : std::nullopt;
    if (is_high(*first) && second && is_low(*second)) {
      append_utf8(text_, 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00));
      return 10;
    }
    append_utf8(text_, kReplacement);
    return 4;
  }

  std::string text_;
  bool ok_ = true;
  bool latin1_ = false;
};

class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }
  std::size_t number() const { return number_; }  // of the line that next() gave

  /// Without its end (\n, \r or \r\n) and the blanks before it.
  std::string_view next() {
    const std::size_t end = std::min(text_.find_first_of("\r\n"), text_.size());
    std::string_view line = text_.substr(0, end);
    text_.remove_prefix(end);
    text_.remove_prefix(text_.starts_with("\r\n") ? 2 : std::min<std::size_t>(1, text_.size()));
    ++number_;
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    return line;
  }

 private:
  std::string_view text_;
  std::size_t number_ = 0;
};

bool is_continued(std::string_view line) {
  const std::size_t last = line.find_last_not_of('\\');
  const std::size_t slashes = line.size() - (last == std::string_view::npos ? 0 : last + 1);
  return slashes % 2 == 1;
}

std::size_t end_of_key(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '=' || line[i] == ':' || kBlanks.find(line[i]) != kBlanks.npos) {
      return i;
    }
  }
  return line.size();
}

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
}

void add(std::string_view line, std::size_t number, PropertiesFile& out) {
  const std::size_t end = end_of_key(line);
  std::string_view rest = line.substr(end);
  skip_blanks(rest);
  if (rest.starts_with('=') || rest.starts_with(':')) {
    rest.remove_prefix(1);
    skip_blanks(rest);
  }
  const Unescaped key(line.substr(0, end));
  const Unescaped value(rest);
  if (!key.ok() || !value.ok()) {
    out.bad_lines.push_back({number, true, "\\u needs four hexadecimal digits after it"});
    return;
  }
  if (key.latin1() || value.latin1()) {
    out.bad_lines.push_back(
        {number, false, "bytes from 0x80 are read as Latin-1, as Flume does; \\uXXXX is safe"});
  }
  out.properties.push_back({key.text(), value.text(), number});
}

}  // namespace

PropertiesFile parse_properties(std::string_view text) {
  PropertiesFile out;
  Lines lines(text);
  while (!lines.at_end()) {
    std::string line(lines.next());
    const std::size_t number = lines.number();
    if (line.empty() || line.front() == '#' || line.front() == '!') {
      continue;
    }
    while (is_continued(line)) {
      line.pop_back();
      if (lines.at_end()) {
        break;
      }
      line += lines.next();
    }
    add(line, number, out);
  }
  return out;
}

}  // namespace fl
