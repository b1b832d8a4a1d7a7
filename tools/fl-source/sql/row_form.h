// What a row of a table becomes as the body of an event. Knows nothing of the server's library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

/// What the bytes that a server sends for a value are.
enum class SqlKind {
  integer,  ///< decimal digits, leading zeros allowed
  decimal,  ///< an exact number of any size: digits with a point
  number,   ///< a double, as digits that read back as the same
  single,   ///< the digits of a double that holds a float exactly
  bit,      ///< up to 8 bytes, the highest first
  date,
  datetime,   ///< without a time zone
  timestamp,  ///< in UTC
  text,       ///< UTF-8; times, which may be negative or longer than a day, too
  bytes,
};

struct SqlColumn {
  std::string name;
  SqlKind kind = SqlKind::text;
  bool is_nullable = true;
  unsigned bits = 64;    ///< integer and bit: with a sign, so up to 65; floating numbers: 32 or 64
  unsigned digits = 65;  ///< decimal: all of them
  unsigned scale = 0;    ///< decimal: those after the point

  friend bool operator==(const SqlColumn&, const SqlColumn&) = default;
};

/// A value as the server sends it; `data` null: NULL. It belongs to the server's library.
struct SqlValue {
  const char* data = nullptr;
  std::size_t size = 0;

  std::string_view text() const { return {data, size}; }
};

/// The number that a value of SqlKind::bit is.
std::uint64_t sql_bits(std::string_view bytes);

/// Writes rows of one result. JSON: {"id":5,"name":"x"}, integers and floating numbers as numbers,
/// bytes in base64 with padding, everything else as a string. Text: values with a separator between
/// them, NULL as \N; see append_field().
class RowForm {
 public:
  enum class Style { json, text };

  RowForm(std::vector<SqlColumn> columns, Style style, char separator);

  const std::vector<SqlColumn>& columns() const { return columns_; }
  /// Appends the row; `values` has one for each column.
  void append(std::string& out, const SqlValue* values) const;
  /// As JSON, whatever the style is.
  void append_json(std::string& out, const SqlValue* values) const;
  /// The same without the columns whose values are longer than `longest`.
  void append_short(std::string& out, const SqlValue* values, std::size_t longest) const;

 private:
  void append_text(std::string& out, const SqlValue* values) const;
  void append_field(std::string& out, std::string_view text) const;

  std::vector<SqlColumn> columns_;
  std::vector<std::string> names_;  // as members of JSON: "\"id\":"
  Style style_;
  char separator_;
  std::array<char, 256> escapes_{};  // text: what follows the backslash; 0: no escape
};

}  // namespace fl
