// The columns that give a row's place, and the SQL that continues after a row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

enum class SqlKeyKind {
  number,  ///< integers and decimals
  time,    ///< dates and times
  text,
  bytes,
};

struct SqlKeyColumn {
  std::string name;
  SqlKeyKind kind = SqlKeyKind::number;
  std::size_t index = 0;     ///< in the result
  bool is_nullable = false;  ///< rows where it is NULL are not read

  friend bool operator==(const SqlKeyColumn&, const SqlKeyColumn&) = default;
};

/// The values of a row's key, packed into one string: most are one short number.
class SqlPlace {
 public:
  void add(std::string_view value);
  void clear() { packed_.clear(); }
  bool empty() const { return packed_.empty(); }
  std::vector<std::string> values() const;
  friend bool operator==(const SqlPlace&, const SqlPlace&) = default;

 private:
  std::string packed_;
};

/// `name` with backticks, whatever is in it.
std::string sql_name(std::string_view name);
/// `value` as it may appear in a statement. Class config where it cannot be one of its kind: the
/// values come from a file or another process.
Result<std::string> sql_literal(SqlKeyKind kind, std::string_view value);
/// "a >= 5 AND (a > 5 OR (a = 5 AND b > 7))": the rows after these values; without values: the rows
/// that have a place at all. Empty: all rows.
Result<std::string> sql_after(const std::vector<SqlKeyColumn>& key,
                              const std::vector<std::string>& values);
/// "a, b"
std::string sql_order(const std::vector<SqlKeyColumn>& key);

}  // namespace fl
