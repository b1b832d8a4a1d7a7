#include "tools/fl-source/sql/problem.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>

#include "common/base/log.h"

namespace fl {
namespace {

struct Rule {
  unsigned number;
  ErrorClass kind;
  const char* hint;
};

constexpr const char* kCheckLogin = "check the user and its password: --password-file, --user";
constexpr const char* kCheckName = "check the URL: mysql://[USER@]HOST[:PORT]/DATABASE/TABLE";
constexpr const char* kCheckGrant = "GRANT SELECT ON DATABASE.TABLE TO USER";

constexpr Rule kRules[] = {
    {ER_ACCESS_DENIED_ERROR, ErrorClass::permission, kCheckLogin},
    {ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ErrorClass::permission, kCheckLogin},
    {ER_DBACCESS_DENIED_ERROR, ErrorClass::permission, kCheckGrant},
    {ER_TABLEACCESS_DENIED_ERROR, ErrorClass::permission, kCheckGrant},
    {ER_COLUMNACCESS_DENIED_ERROR, ErrorClass::permission, kCheckGrant},
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, ErrorClass::permission, kCheckGrant},
    {ER_HOST_NOT_PRIVILEGED, ErrorClass::permission, "the server allows no user from this host"},
    {ER_HOST_IS_BLOCKED, ErrorClass::permission, "mariadb-admin flush-hosts"},
    {ER_ACCOUNT_HAS_BEEN_LOCKED, ErrorClass::permission, "ALTER USER ... ACCOUNT UNLOCK"},
    {ER_MUST_CHANGE_PASSWORD_LOGIN, ErrorClass::permission, "the password has expired"},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, ErrorClass::permission,
     "this way to log in is not supported here; see the plugin of the user in mysql.user"},
    {CR_AUTH_PLUGIN_ERR, ErrorClass::permission, kCheckLogin},
    {CR_SSL_CONNECTION_ERROR, ErrorClass::permission,
     "check the certificates: --truststore, --keystore; these files are in PEM"},
    {CR_PLUGIN_NOT_ALLOWED, ErrorClass::permission,
     "the server asks for the password in the clear: that is allowed only with --tls"},
    {CR_ERR_LOAD_PLUGIN, ErrorClass::permission, kCheckLogin},
    {CR_ERR_NET_READ, ErrorClass::unavailable, ""},
    {CR_ERR_NET_WRITE, ErrorClass::unavailable, ""},
    {ER_BAD_DB_ERROR, ErrorClass::config, kCheckName},
    {ER_NO_SUCH_TABLE, ErrorClass::config, kCheckName},
    {ER_BAD_FIELD_ERROR, ErrorClass::config, "DESCRIBE TABLE shows the columns"},
    {ER_PARSE_ERROR, ErrorClass::config, "check the query"},
    {ER_OUT_OF_SORTMEMORY, ErrorClass::config,
     "raise sort_buffer_size of the server, or make an index that begins with the column of "
     "--since and the key"},
    {CR_CONNECTION_ERROR, ErrorClass::unavailable, ""},
    {CR_CONN_HOST_ERROR, ErrorClass::unavailable, ""},
    {CR_UNKNOWN_HOST, ErrorClass::unavailable, ""},
    {CR_SERVER_GONE_ERROR, ErrorClass::unavailable, ""},
    {CR_SERVER_LOST, ErrorClass::unavailable, ""},
    {CR_SERVER_LOST_EXTENDED, ErrorClass::unavailable, ""},
    {CR_SERVER_HANDSHAKE_ERR, ErrorClass::unavailable, ""},
    {CR_IPSOCK_ERROR, ErrorClass::unavailable, ""},
    {CR_MALFORMED_PACKET, ErrorClass::unavailable,
     "is this the port of a MariaDB or MySQL server?"},
    {CR_COMMANDS_OUT_OF_SYNC, ErrorClass::unavailable, ""},
    {CR_OUT_OF_MEMORY, ErrorClass::unavailable, ""},
    {ER_CON_COUNT_ERROR, ErrorClass::unavailable, "raise max_connections of the server"},
    {ER_TOO_MANY_USER_CONNECTIONS, ErrorClass::unavailable, ""},
    {ER_USER_LIMIT_REACHED, ErrorClass::unavailable, ""},
    {ER_OUT_OF_RESOURCES, ErrorClass::unavailable, ""},
    {ER_SERVER_SHUTDOWN, ErrorClass::unavailable, ""},
    {ER_NORMAL_SHUTDOWN, ErrorClass::unavailable, ""},
    {ER_NEW_ABORTING_CONNECTION, ErrorClass::unavailable, ""},
    {ER_ABORTING_CONNECTION, ErrorClass::unavailable, ""},
    {ER_CONNECTION_KILLED, ErrorClass::unavailable, ""},
    {ER_QUERY_INTERRUPTED, ErrorClass::unavailable, ""},
    {ER_LOCK_WAIT_TIMEOUT, ErrorClass::unavailable, ""},
    {ER_LOCK_DEADLOCK, ErrorClass::unavailable, ""},
    {ER_TABLE_DEF_CHANGED, ErrorClass::unavailable, ""},
    {ER_NET_READ_ERROR, ErrorClass::unavailable, ""},
    {ER_NET_PACKETS_OUT_OF_ORDER, ErrorClass::unavailable, ""},
    {CR_NET_PACKET_TOO_LARGE, ErrorClass::input,
     "raise --max-event, or let the query select less of long columns: LEFT(column, 1000)"},
    {ER_NET_PACKET_TOO_LARGE, ErrorClass::input,
     "raise max_allowed_packet of the server, or select less of long columns"},
};

}  // namespace

Error sql_problem(const std::string& what, unsigned number, std::string_view text) {
  const std::string message = what + ": " + printable(text.substr(0, 500));
  for (const Rule& rule : kRules) {
    if (rule.number == number) {
      return {rule.kind, message, rule.hint};
    }
  }
  if (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) {
    return {ErrorClass::unavailable, message, {}};
  }
  return {ErrorClass::config, message, {}};
}

}  // namespace fl
