// Which server is meant, and the option file that may say it.
#pragma once

#include <mysql.h>

#include <cstdint>
#include <string>

#include "common/base/error.h"
#include "tools/fl-source/sql/address.h"
#include "tools/fl-source/sql/options.h"

namespace fl {

/// The server that is meant by the URL, --socket, the option file and the environment together.
struct SqlServer {
  std::string host;        ///< not if is_local
  std::uint16_t port = 0;  ///< not if is_local; 0: the usual one
  std::string socket;      ///< if is_local; empty: the usual one
  bool is_local = false;   ///< by a socket on this host

  /// Class config: the option file is none.
  static Result<SqlServer> find(const SqlSourceOptions& options, const SqlAddress& address);
  /// The same of a handle that has read the option file, if there is one.
  static SqlServer of(const MYSQL* mysql, const SqlSourceOptions& options,
                      const SqlAddress& address);
  /// "db1:3307", "localhost" or "/run/db1/socket", always the whole path.
  std::string name() const;
};

/// Lets the handle take the options of the file; what is set afterwards overrules them. Class
/// config: the file is none of options.
Status read_option_file(MYSQL* mysql, const std::string& path);

}  // namespace fl
