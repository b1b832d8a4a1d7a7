#include "tools/fl-source/sql/row_form.h"

#include <charconv>
#include <cstdlib>
#include <utility>

#include "common/base/base64.h"
#include "common/base/text.h"

namespace fl {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// 1: the byte cannot be in a string of JSON as it is, or begins a sequence that must be checked.
constexpr std::array<bool, 256> make_stops() {
  std::array<bool, 256> stops{};
  for (std::size_t i = 0; i < 256; ++i) {
    stops[i] = i < 0x20 || i >= 0x80 || i == '"' || i == '\\';
  }
  return stops;
}
constexpr std::array<bool, 256> kStops = make_stops();

void append_escape(std::string& out, unsigned char byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u00";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  std::size_t begin = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (!kStops[byte]) {
      ++at;
      continue;
    }
    if (byte >= 0x80) {
      if (const std::size_t size = utf8_length(text.substr(at)); size != 0) {
        at += size;
        continue;
      }
    }
    out += text.substr(begin, at - begin);
    if (byte >= 0x80) {
      out += kReplacement;
    } else {
      append_escape(out, byte);
    }
    begin = ++at;
  }
  out += text.substr(begin);
  out += '"';
}

// "-00012.50" without the zeros of ZEROFILL, which JSON does not allow.
std::string_view without_zeros(std::string_view digits) {
  const std::size_t first = digits.find_first_not_of('0');
  if (first == 0 || digits.empty()) {
    return digits;
  }
  const bool has_digit =
      first != std::string_view::npos && digits[first] >= '0' && digits[first] <= '9';
  return digits.substr(has_digit ? first
                                 : (first == std::string_view::npos ? digits.size() : first) - 1);
}

// A server may send anything: what is not a number of JSON becomes a string.
bool is_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      ++at;
    }
    return at - begin;
  };
  const bool is_zero = at < text.size() && text[at] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (is_zero && whole > 1)) {
    return false;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) {
      return false;
    }
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
      ++at;
    }
    if (digits() == 0) {
      return false;
    }
  }
  return at == text.size();
}

void append_number(std::string& out, std::string_view digits) {
  const std::string_view number = without_zeros(digits);
  if (is_number(number)) {
    out += number;
  } else {
    append_string(out, digits);
  }
}

// The shortest digits that read back as the same float.
std::string float_digits(std::string_view text) {
  double wide = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), wide);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::string(text);
  }
  const auto value = static_cast<float>(wide);
  if (static_cast<double>(value) != wide) {
    return std::string(text);  // not what we have asked for: nothing is rounded
  }
  char buffer[32];
  const std::to_chars_result done = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, done.ptr};
}

void append_value(std::string& out, SqlKind kind, std::string_view text) {
  switch (kind) {
    case SqlKind::integer:
    case SqlKind::number:
      append_number(out, text);
      return;
    case SqlKind::single:
      append_number(out, float_digits(text));
      return;
    case SqlKind::bit:
      out += std::to_string(sql_bits(text));
      return;
    case SqlKind::bytes:
      out += '"';
      append_base64(out, text);
      out += '"';
      return;
    case SqlKind::decimal:
    case SqlKind::date:
    case SqlKind::datetime:
    case SqlKind::timestamp:
    case SqlKind::text:
      append_string(out, text);
      return;
  }
}

}  // namespace

std::uint64_t sql_bits(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes.substr(bytes.size() > 8 ? bytes.size() - 8 : 0)) {
    value = (value << 8) | static_cast<unsigned char>(byte);
  }
  return value;
}

RowForm::RowForm(std::vector<SqlColumn> columns, Style style, char separator)
    : columns_(std::move(columns)), style_(style), separator_(separator) {
  for (const SqlColumn& column : columns_) {
    append_string(names_.emplace_back(), column.name);
    names_.back() += ':';
  }
  const std::pair<char, char> kEscapes[] = {
      {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'\0', '0'}};
  escapes_[static_cast<unsigned char>(separator_)] = separator_;
  for (const auto& [byte, letter] : kEscapes) {
    escapes_[static_cast<unsigned char>(byte)] = letter;
  }
}

void RowForm::append(std::string& out, const SqlValue* values) const {
  if (style_ == Style::json) {
    append_json(out, values);
  } else {
    append_text(out, values);
  }
}

void RowForm::append_short(std::string& out, const SqlValue* values, std::size_t longest) const {
  out += '{';
  bool is_first = true;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (values[i].data != nullptr && values[i].size > longest) {
      continue;
    }
    out += is_first ? "" : ",";
    is_first = false;
    out += names_[i];
    if (values[i].data == nullptr) {
      out += "null";
    } else {
      append_value(out, columns_[i].kind, values[i].text());
    }
  }
  out += '}';
}

void RowForm::append_json(std::string& out, const SqlValue* values) const {
  char before = '{';
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    out += before;
    before = ',';
    out += names_[i];
    if (values[i].data == nullptr) {
      out += "null";
    } else {
      append_value(out, columns_[i].kind, values[i].text());
    }
  }
  out += '}';
}

void RowForm::append_text(std::string& out, const SqlValue* values) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i != 0) {
      out += separator_;
    }
    if (values[i].data == nullptr) {
      out += "\\N";
      continue;
    }
    const std::string_view text = values[i].text();
    switch (columns_[i].kind) {
      case SqlKind::integer:
      case SqlKind::decimal:
      case SqlKind::number:
      case SqlKind::date:
      case SqlKind::datetime:
      case SqlKind::timestamp:
      case SqlKind::text:
        append_field(out, text);
        break;
      case SqlKind::single:
        append_field(out, float_digits(text));
        break;
      case SqlKind::bit:
        out += std::to_string(sql_bits(text));
        break;
      case SqlKind::bytes:
        append_base64(out, text);
        break;
    }
  }
}

void RowForm::append_field(std::string& out, std::string_view text) const {
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char escape = escapes_[static_cast<unsigned char>(text[at])];
    if (escape != 0) {
      out += text.substr(begin, at - begin);
      out += '\\';
      out += escape;
      begin = at + 1;
    }
  }
  out += text.substr(begin);
}

}  // namespace fl
