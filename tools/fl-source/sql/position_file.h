// Remembers in a file how far a table was delivered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// How far a table is delivered.
struct SqlPosition {
  /// Made when the file is: a position of another id belongs to a file that was removed since.
  std::string id;
  std::uint64_t rows = 0;  ///< delivered since the file was made; orders positions of one id
  std::vector<std::string> values;  ///< of the key columns in the last of these rows; empty: none
  std::vector<std::string> key;     ///< these columns; empty: not known

  /// For a durable stage below: "ID:ROWS:VALUE,VALUE", the values in base64.
  std::string text() const;
  /// Reads text() from another process; nothing if it is not a position.
  static std::optional<SqlPosition> parse(std::string_view text);

  friend bool operator==(const SqlPosition&, const SqlPosition&) = default;
};

/// A file that is replaced in one step and synced. One process at a time has it.
///
///   {"of":"shop.orders since changed","id":"8a..","rows":7,"key":["changed","id"],
///    "values":["2026-01-31","9"]}
class SqlPositionFile {
 public:
  /// Where positions are if no file is named: $XDG_STATE_HOME/fl/sql, else
  /// $HOME/.local/state/fl/sql. `name`: of what is read; any bytes. Class config where neither
  /// variable is set.
  static Result<std::string> usual_path(std::string_view name);

  /// Locks the file, for which missing directories are made, and reads it. Class again: another
  /// process has it. A file that is not there holds no position yet.
  Status open(std::string path);
  /// What open() and load() would say, without making or locking anything.
  static Result<SqlPosition> check(const std::string& path, const std::string& of,
                                   const std::string& server);
  /// What was in it. `of`: what is read now, which it must be a position of; else class config.
  /// `server`: where that is. " at SERVER" is at the end of `of`, of what is in the file, or not:
  /// older files have none, nor have those of a server that the URL alone names.
  /// Without a file a new position, which is written at once: nothing may go out before.
  Result<SqlPosition> load(const std::string& of, const std::string& server);
  Status save(const SqlPosition& position);
  /// What is wrong with values in the file at `path`, as an error that names it.
  static Error damaged(const std::string& path, const Error& why);
  /// Forgets: the next load() begins anew.
  Status remove();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string directory_;
  UniqueFd lock_;
  std::string of_;
};

}  // namespace fl
