// What is asked of the server: the columns of a table or query, its key, and the statements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "tools/fl-source/sql/address.h"
#include "tools/fl-source/sql/connection.h"
#include "tools/fl-source/sql/key.h"
#include "tools/fl-source/sql/options.h"
#include "tools/fl-source/sql/row_form.h"

namespace fl {

/// Made anew for each snapshot: a table may have been changed meanwhile.
class SqlPlan {
 public:
  /// Asks the server. Class config: no such table or column, or the key is not usable. `warns`:
  /// logs what makes it slow.
  static Result<SqlPlan> make(SqlConnection& connection, const SqlSourceOptions& options,
                              const SqlAddress& address, std::uint64_t max_event, bool warns);

  /// "shop.orders", or "shop, query 5f2c..."
  static std::string title_of(const SqlSourceOptions& options, const SqlAddress& address);
  const std::string& title() const { return title_; }
  /// The table's name, or "row" for a query.
  const std::string& row_name() const { return row_name_; }
  const std::vector<SqlColumn>& columns() const { return columns_; }
  const std::vector<SqlKeyColumn>& key() const { return key_; }
  std::vector<std::string> key_names() const;
  bool has_key() const { return !key_.empty(); }
  /// Class config: a position of rows by `key` is not one of ours. Empty: not known, which is fine.
  Status check_position_of(const std::vector<std::string>& key) const;
  /// The last value of a row says whether it is too large and came without its long values.
  bool marks_large() const { return marks_large_; }

  /// The rows after `values` (empty: all), ordered by the key if there is one. `limit` 0: no limit.
  Result<std::string> select(const std::vector<std::string>& values, std::uint64_t limit) const;
  /// How many these are.
  Result<std::string> count(const std::vector<std::string>& values) const;
  /// Class config: one of these rows has no place, since a column of --key is NULL in it.
  Status check_key(SqlConnection& connection, const std::vector<std::string>& values) const;
  /// The error of check_key().
  Error has_null() const;

  friend bool operator==(const SqlPlan&, const SqlPlan&) = default;

 private:
  Status find_key(SqlConnection& connection, const SqlSourceOptions& options,
                  const SqlAddress& address, const std::vector<SqlField>& fields, bool warns);
  Result<std::vector<std::string>> unique_columns(SqlConnection& connection,
                                                  const SqlSourceOptions& options,
                                                  const SqlAddress& address, bool warns) const;
  void make_list(const std::vector<SqlField>& fields, std::uint64_t max_event);

  std::string title_;
  std::string row_name_;
  std::string plain_query_;  // as the user wrote it; empty: what list_ and from_ say
  std::string list_;
  std::string from_;
  std::vector<SqlColumn> columns_;
  std::vector<SqlKeyColumn> key_;
  std::vector<std::string> maybe_null_;  // of the key, where NULL is an error
  bool marks_large_ = false;
};

}  // namespace fl
