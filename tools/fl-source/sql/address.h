// Where a table is: mysql://user@host:port/database/table
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

struct SqlAddress {
  std::string user;
  std::string host;        ///< empty: the socket of the option file, or the usual one
  std::uint16_t port = 0;  ///< 0: none given
  std::string database;
  std::string table;  ///< empty: none given

  /// Also mariadb://; parts may hold %XX. Class usage; never shows a password that is in it.
  static Result<SqlAddress> parse(std::string_view url);
  /// "db1:3306" for messages.
  std::string server() const;
};

}  // namespace fl
