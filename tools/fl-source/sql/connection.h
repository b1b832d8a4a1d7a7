// A connection to a MariaDB or MySQL server, and a result that is read row by row.
#pragma once

#include <mysql.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "tools/fl-source/sql/row_form.h"
#include "tools/fl-source/sql/server.h"

namespace fl {

/// A column of a result as the server describes it.
struct SqlField : SqlColumn {
  bool is_time = false;       ///< a date or time
  bool is_long_type = false;  ///< TINYTEXT, TEXT, BLOB and so on, of any length
  bool is_orderable = true;   ///< a literal of its values compares as the column is ordered
  std::uint64_t longest = 0;  ///< bytes that a value can have
};

/// Blocks, except for break_off(). Every error is of a class of sql_problem().
class SqlConnection {
 public:
  /// `largest_row`: what a row may have as the server sends it; a larger one is an error, so that
  /// memory is bounded.
  SqlConnection(const SqlSourceOptions& options, SqlAddress address, std::uint64_t largest_row);
  ~SqlConnection();
  SqlConnection(const SqlConnection&) = delete;
  SqlConnection& operator=(const SqlConnection&) = delete;

  /// Takes no longer than --connect-timeout, whatever the server does.
  Status connect();
  bool is_open() const { return mysql_ != nullptr; }
  void close();
  /// From any thread: what waits for the server ends with an error, now and from now on.
  void break_off();

  /// A statement without a result, or with one that does not matter.
  Status run(const std::string& statement);
  /// All rows of a short result; NULL is empty.
  Result<std::vector<std::vector<std::string>>> table(const std::string& statement);
  /// The columns of the result that the statement would have. It is not executed. Empty: none.
  Result<std::vector<SqlField>> describe(const std::string& statement);
  /// Executes a statement; its rows come by next().
  Status start(const std::string& statement);
  /// The values of the next row, valid until the call after; null: there is none.
  Result<const SqlValue*> next();
  /// Gives up the rows that are left.
  void finish();

 private:
  struct Closed {
    void operator()(MYSQL* mysql) const { mysql_close(mysql); }
  };
  struct Freed {
    void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
  };

  Status set_options();
  Status log_in();
  Status session();
  Error problem(const std::string& what) const;
  bool is_alive();

  const SqlSourceOptions& options_;
  const SqlAddress address_;
  const std::uint64_t largest_row_;
  SqlServer server_;
  std::unique_ptr<MYSQL, Closed> mysql_;
  std::unique_ptr<MYSQL_RES, Freed> result_;
  std::vector<SqlValue> row_;

  UniqueFd wake_;  // an eventfd: break_off() was called

  std::mutex mutex_;  // of the two below
  UniqueFd socket_;   // a second descriptor of the connection's socket
  bool is_broken_ = false;
};

}  // namespace fl
