#include "tools/fl-sink/hive/delimited_rows.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace fl {

DelimitedRows::DelimitedRows(DelimitedTable table) : table_(std::move(table)) {
  special_ = {'\n', '\r', table_.separator};
  if (table_.escape) {
    special_ += *table_.escape;
  }
  cells_.resize(table_.is_plain.size());
  is_there_.resize(table_.is_plain.size());
}

Status DelimitedRows::form(const Event& event) {
  std::string_view body = event.body();
  if (body.ends_with('\n')) {
    body.remove_suffix(1);
  }
  if (body.ends_with('\r')) {
    body.remove_suffix(1);
  }
  std::fill(is_there_.begin(), is_there_.end(), false);
  for (const int column : table_.fields) {
    const std::size_t end = std::min(body.find(table_.delimiter), body.size());
    if (column >= 0) {
      cells_[static_cast<std::size_t>(column)] = body.substr(0, end);
      is_there_[static_cast<std::size_t>(column)] = true;
    }
    if (end == body.size()) {
      break;
    }
    body.remove_prefix(end + table_.delimiter.size());
  }
  row_.clear();
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    if (i != 0) {
      row_ += table_.separator;
    }
    if (!is_there_[i]) {
      row_ += table_.null;
    } else if (Status appended = append(i, cells_[i]); !appended) {
      return appended;
    }
  }
  return {};
}

Status DelimitedRows::append(std::size_t column, std::string_view text) {
  const std::size_t first = text.find_first_of(special_);
  if (first == std::string_view::npos || text == table_.null) {
    row_ += text;
    return {};
  }
  if (!table_.escape || !table_.is_plain[column]) {
    const bool is_escape = table_.escape && text.find_first_of(std::string_view(special_).substr(
                                                0, 3)) == std::string_view::npos;
    if (is_escape) {
      row_ += text;  // the writer of a list or map has escaped what is in it
      return {};
    }
    return Error{ErrorClass::input,
                 "field " + std::to_string(column + 1) +
                     " of a row holds the end of a line or the table's own delimiter",
                 table_.escape ? "" : "a table with ESCAPED BY '\\\\' can hold it"};
  }
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      row_ += *table_.escape;
      row_ += c == '\n' ? 'n' : 'r';
      continue;
    }
    if (c == *table_.escape || c == table_.separator) {
      row_ += *table_.escape;
    }
    row_ += c;
  }
  return {};
}

Result<std::string> parse_delimiter(std::string_view text) {
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front()) {
    text = text.substr(1, text.size() - 2);
  }
  std::string out;
  while (!text.empty()) {
    if (text[0] != '\\' || text.size() == 1) {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    const char kind = text[1];
    text.remove_prefix(2);
    if (kind == 't') {
      out += '\t';
    } else if (kind == '\\') {
      out += '\\';
    } else if (kind == 'u' || (kind >= '0' && kind <= '3')) {
      std::string digits(kind == 'u' ? text.substr(0, std::min<std::size_t>(4, text.size()))
                                     : std::string_view());
      if (kind == 'u') {
        text.remove_prefix(digits.size());
      } else {
        digits = kind;
        while (digits.size() < 3 && !text.empty() && text[0] >= '0' && text[0] <= '7') {
          digits += text[0];
          text.remove_prefix(1);
        }
      }
      unsigned code = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), code, kind == 'u' ? 16 : 8);
      if (error != std::errc() || end != digits.data() + digits.size() || code > 0x7F ||
          (kind == 'u' && digits.size() != 4)) {
        return Error{ErrorClass::config,
                     "the delimiter has a \\u or \\0 that is not an ASCII character",
                     {}};
      }
      out += static_cast<char>(code);
    } else {
      return Error{ErrorClass::config,
                   "the delimiter has an unknown escape '\\" + std::string(1, kind) + "'",
                   "\\t, \\\\, \\001 and \\u0001 are possible"};
    }
  }
  if (out.empty() || out.find('\n') != std::string::npos) {
    return Error{ErrorClass::config, "the delimiter is empty or the end of a line", {}};
  }
  return out;
}

}  // namespace fl
