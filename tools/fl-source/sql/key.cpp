#include "tools/fl-source/sql/key.h"

#include <algorithm>
#include <cstring>

#include "common/base/log.h"

namespace fl {
namespace {

std::string hex(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    text += kHex[static_cast<unsigned char>(byte) >> 4];
    text += kHex[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

// The text with a 0 for each digit, without the digits after a point. Empty: a point ends it.
std::string shape_of(std::string_view value) {
  constexpr std::string_view kDigits = "0123456789";
  const std::size_t point = value.find('.');
  if (point != std::string_view::npos) {
    const std::string_view digits = value.substr(point + 1);
    if (digits.empty() || digits.find_first_not_of(kDigits) != std::string_view::npos) {
      return {};
    }
  }
  std::string shape;
  for (const char letter : value.substr(0, point)) {
    shape += kDigits.find(letter) == std::string_view::npos ? letter : '0';
  }
  return shape;
}

bool is_number(std::string_view value) {
  std::string shape = shape_of(value);
  shape.erase(0, shape.starts_with('-') ? 1 : 0);
  return !shape.empty() && shape.find_first_not_of('0') == std::string::npos;
}

// A date, a date and a time, or a time of up to 838 hours.
bool is_time(std::string_view value) {
  const std::string shape = shape_of(value);
  return shape == "0000-00-00" || shape == "0000-00-00 00:00:00" || shape == "00:00:00" ||
         shape == "000:00:00" || shape == "-00:00:00" || shape == "-000:00:00";
}

}  // namespace

void SqlPlace::add(std::string_view value) {
  const auto size = static_cast<std::uint32_t>(value.size());
  char bytes[sizeof size];
  std::memcpy(bytes, &size, sizeof size);
  packed_.append(bytes, sizeof size);
  packed_ += value;
}

std::vector<std::string> SqlPlace::values() const {
  std::vector<std::string> values;
  for (std::string_view left = packed_; left.size() >= sizeof(std::uint32_t);) {
    std::uint32_t size = 0;
    std::memcpy(&size, left.data(), sizeof size);
    left.remove_prefix(sizeof size);
    values.emplace_back(left.substr(0, size));
    left.remove_prefix(std::min<std::size_t>(size, left.size()));
  }
  return values;
}

std::string sql_name(std::string_view name) {
  std::string quoted = "`";
  for (const char letter : name) {
    quoted += letter;
    if (letter == '`') {
      quoted += '`';
    }
  }
  return quoted + '`';
}

Result<std::string> sql_literal(SqlKeyKind kind, std::string_view value) {
  switch (kind) {
    case SqlKeyKind::number:
      if (is_number(value)) {
        return std::string(value);
      }
      break;
    case SqlKeyKind::time:
      if (is_time(value)) {
        return "'" + std::string(value) + "'";
      }
      break;
    case SqlKeyKind::text:
      return "_utf8mb4 X'" + hex(value) + "'";
    case SqlKeyKind::bytes:
      return "X'" + hex(value) + "'";
  }
  return Error{ErrorClass::config,
               std::string("'") + printable(value.substr(0, 100)) +
                   (kind == SqlKeyKind::time ? "' is not a time" : "' is not a number"),
               {}};
}

Result<std::string> sql_after(const std::vector<SqlKeyColumn>& key,
                              const std::vector<std::string>& values) {
  if (values.empty()) {
    std::string text;
    for (const SqlKeyColumn& column : key) {
      if (column.is_nullable) {
        text += (text.empty() ? "" : " AND ") + sql_name(column.name) + " IS NOT NULL";
      }
    }
    return text;
  }
  if (values.size() != key.size()) {
    return Error{ErrorClass::config, "the position has another number of columns", {}};
  }
  std::string after;
  std::string equal;
  std::string first;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const Result<std::string> literal = sql_literal(key[i].kind, values[i]);
    if (!literal) {
      return literal.error();
    }
    const std::string name = sql_name(key[i].name);
    if (i == 0) {
      // Alone it already bounds the range of the index.
      first = name + " >= " + *literal;
    }
    after += after.empty() ? "" : " OR ";
    after += "(" + equal + name + " > " + *literal + ")";
    equal += name + " = " + *literal + " AND ";
  }
  return first + " AND (" + after + ")";
}

std::string sql_order(const std::vector<SqlKeyColumn>& key) {
  std::string text;
  for (const SqlKeyColumn& column : key) {
    text += (text.empty() ? "" : ", ") + sql_name(column.name);
  }
  return text;
}

}  // namespace fl
