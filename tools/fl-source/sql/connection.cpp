#include "tools/fl-source/sql/connection.h"

#include <errmsg.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/units.h"
#include "tools/fl-source/sql/problem.h"

namespace fl {
namespace {

constexpr unsigned kBinary = 63;     // the number of the character set of bytes
constexpr unsigned kMaxDigits = 65;  // of a decimal
constexpr unsigned kUsualPort = 3306;

// Ways to log in that never show the password to the server.
constexpr const char* kSafePlugins =
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,"
    "auth_gssapi_client,parsec,mysql_old_password";

// One try to connect. The library calls wait_for() whenever it waits for the server.
struct Try {
  std::int64_t until_ms;
  int wake;
  bool is_late = false;
};
thread_local Try* current_try = nullptr;  // the library passes nothing on

// As the library wants it: 1 ready, 0 too late, -1 error.
int wait_for(my_socket socket, my_bool is_read, int timeout_ms) {
  pollfd fds[] = {{static_cast<int>(socket), is_read != 0 ? short{POLLIN} : short{POLLOUT}, 0},
                  {current_try != nullptr ? current_try->wake : -1, POLLIN, 0}};
  const std::int64_t until_ms =
      current_try != nullptr ? current_try->until_ms : monotonic_ms() + timeout_ms;
  const bool is_bounded = current_try != nullptr || timeout_ms > 0;
  int ready = -1;
  do {
    const std::int64_t left = std::max<std::int64_t>(until_ms - monotonic_ms(), 0);
    ready = ::poll(fds, 2, is_bounded ? static_cast<int>(left) : -1);
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) {
    return -1;
  }
  if (ready > 0 && fds[1].revents == 0) {
    return 1;
  }
  if (current_try != nullptr && ready == 0) {
    current_try->is_late = true;
  }
  errno = ETIMEDOUT;
  return 0;
}

// A host that has silently gone is noticed after about two minutes.
void keep_alive(int socket) {
  const int on = 1;
  const int idle = 60;
  const int interval = 10;
  const int count = 6;
  // Not for the socket of a file; then nothing is lost.
  (void)::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

unsigned seconds_to_connect(const SqlSourceOptions& options) {
  return static_cast<unsigned>(
      std::clamp<std::int64_t>(options.connect_timeout.ms / 1000, 1, 3600));
}

// Of an integer as a signed one.
unsigned bits_of(const MYSQL_FIELD& from) {
  const unsigned sign = (from.flags & UNSIGNED_FLAG) != 0 ? 1 : 0;
  switch (from.type) {
    case MYSQL_TYPE_TINY:
      return 8 + sign;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR:
      return 16 + sign;
    case MYSQL_TYPE_INT24:
      return 24 + sign;
    case MYSQL_TYPE_LONG:
      return 32 + sign;
    default:
      return 64 + sign;
  }
}

// The length of a decimal is that of its text, with a point and a sign.
void set_digits(SqlField& field, const MYSQL_FIELD& from) {
  const unsigned long others =
      (from.decimals != 0 ? 1UL : 0UL) + ((from.flags & UNSIGNED_FLAG) != 0 ? 0UL : 1UL);
  const unsigned long digits = from.length > others ? from.length - others : 1;
  field.scale = std::min(from.decimals, kMaxDigits);
  field.digits = static_cast<unsigned>(
      std::clamp<unsigned long>(digits, std::max(1U, field.scale), kMaxDigits));
}

SqlField field_of(const MYSQL_FIELD& from) {
  SqlField field;
  field.name.assign(from.name, from.name_length);
  field.is_nullable = (from.flags & NOT_NULL_FLAG) == 0;
  field.longest = from.length;
  field.is_long_type = (from.flags & BLOB_FLAG) != 0;
  const bool is_list = (from.flags & (ENUM_FLAG | SET_FLAG)) != 0;
  switch (from.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
      field.kind = SqlKind::integer;
      field.bits = bits_of(from);
      break;
    case MYSQL_TYPE_YEAR:
      field.kind = SqlKind::integer;
      field.bits = bits_of(from);
      field.is_orderable = false;  // 0 as a literal is 2000
      break;
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
      field.kind = SqlKind::decimal;
      set_digits(field, from);
      break;
    case MYSQL_TYPE_FLOAT:
      field.kind = SqlKind::single;
      field.bits = 32;
      field.is_orderable = false;
      break;
    case MYSQL_TYPE_DOUBLE:
      field.kind = SqlKind::number;
      field.is_orderable = false;
      break;
    case MYSQL_TYPE_BIT:
      field.kind = SqlKind::bit;
      field.bits = static_cast<unsigned>(std::min<unsigned long>(from.length, 64)) + 1;
      field.is_orderable = false;
      break;
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_NEWDATE:
      field.kind = SqlKind::date;
      field.is_time = true;
      break;
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_DATETIME2:
      field.kind = SqlKind::datetime;
      field.is_time = true;
      break;
    case MYSQL_TYPE_TIMESTAMP:
    case MYSQL_TYPE_TIMESTAMP2:
      field.kind = SqlKind::timestamp;
      field.is_time = true;
      break;
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_TIME2:
      field.is_time = true;
      break;
    case MYSQL_TYPE_GEOMETRY:
      field.kind = SqlKind::bytes;
      field.is_orderable = false;
      break;
    case MYSQL_TYPE_JSON:
      field.is_orderable = false;
      break;
    default:
      field.kind = from.charsetnr == kBinary && !is_list && from.type != MYSQL_TYPE_NULL
                       ? SqlKind::bytes
                       : SqlKind::text;
      field.is_orderable = !is_list;  // lists are ordered by number, and compared as text
      break;
  }
  return field;
}

}  // namespace

SqlConnection::SqlConnection(const SqlSourceOptions& options, SqlAddress address,
                             std::uint64_t largest_row)
    : options_(options),
      address_(std::move(address)),
      largest_row_(largest_row),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

SqlConnection::~SqlConnection() { close(); }

Error SqlConnection::problem(const std::string& what) const {
  return sql_problem(what, mysql_errno(mysql_.get()), mysql_error(mysql_.get()));
}

Status SqlConnection::set_options() {
  MYSQL* const mysql = mysql_.get();
  const auto set = [mysql](mysql_option option, const void* value) {
    return mysql_optionsv(mysql, option, value) == 0;
  };
  const auto set_text = [&set](mysql_option option, const std::string& value) {
    return value.empty() || set(option, value.c_str());
  };
  if (!options_.option_file.empty()) {
    if (Status status = read_option_file(mysql, options_.option_file); !status) {
      return status;
    }
  }
  server_ = SqlServer::of(mysql, options_, address_);
  const unsigned seconds = seconds_to_connect(options_);
  const my_bool no = 0;
  const my_bool yes = 1;
  const unsigned no_file = 0;  // a server could ask for any file of ours
  const std::size_t largest = static_cast<std::size_t>(largest_row_);
  bool ok = set(MYSQL_SET_CHARSET_NAME, "utf8mb4") && set(MYSQL_OPT_CONNECT_TIMEOUT, &seconds) &&
            set(MYSQL_OPT_LOCAL_INFILE, &no_file) && set(MYSQL_OPT_RECONNECT, &no) &&
            set(MYSQL_OPT_MAX_ALLOWED_PACKET, &largest);
  const unsigned protocol = server_.is_local ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  ok = ok && set(MYSQL_OPT_PROTOCOL, &protocol) &&
       mysql_optionsv(mysql, MARIADB_OPT_IO_WAIT, &wait_for) == 0;
  if (options_.tls) {
    const my_bool verify = options_.trust_all_certs ? no : yes;
    ok = ok && set(MYSQL_OPT_SSL_ENFORCE, &yes) && set(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify) &&
         set(MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3") &&
         set_text(MYSQL_OPT_SSL_CA, options_.truststore) &&
         set_text(MYSQL_OPT_SSL_CERT, options_.keystore) &&
         set_text(MYSQL_OPT_SSL_KEY,
                  options_.keystore_key.empty() ? options_.keystore : options_.keystore_key);
    Result<std::string> password = options_.keystore_password.reveal();
    if (!password) {
      return password.error();
    }
    ok = ok && set_text(MARIADB_OPT_TLS_PASSPHRASE, *password);
    ::explicit_bzero(password->data(), password->size());
  } else {
    ok = ok && set(MARIADB_OPT_RESTRICTED_AUTH, kSafePlugins);
  }
  if (!ok) {
    return Error{ErrorClass::unavailable, "out of memory", {}};
  }
  return {};
}

Status SqlConnection::connect() {
  if (!wake_) {
    return Error{ErrorClass::unavailable, "cannot create an eventfd", {}};
  }
  Try one{monotonic_ms() + std::int64_t{1000} * seconds_to_connect(options_), wake_.get()};
  current_try = &one;
  Status status = log_in();
  current_try = nullptr;
  if (!status && one.is_late && status.error().kind == ErrorClass::unavailable) {
    return Error{
        ErrorClass::unavailable,
        "cannot connect to " + server_.name() + ": no answer within " +
            to_string(Duration{std::int64_t{1000} * seconds_to_connect(options_)}),
        "is this the port of a MariaDB or MySQL server? --connect-timeout gives it longer"};
  }
  return status;
}

Status SqlConnection::log_in() {
  close();
  mysql_.reset(mysql_init(nullptr));
  if (!mysql_) {
    return Error{ErrorClass::unavailable, "out of memory", {}};
  }
  if (Status status = set_options(); !status) {
    mysql_.reset();
    return status;
  }
  Result<std::string> password = options_.password.reveal();
  if (!password) {
    mysql_.reset();
    return password.error();
  }
  const bool has_file = !options_.option_file.empty();
  const std::string& user = options_.user.empty() ? address_.user : options_.user;
  const auto or_null = [](const std::string& text) {
    return text.empty() ? nullptr : text.c_str();
  };
  // Null: what the option file says. MYSQL_PWD counts only without one, as for other clients.
  const char* const secret =
      options_.password.is_set() ? password->c_str() : (has_file ? nullptr : "");
  const char* const host =
      server_.is_local || server_.host.empty() ? "localhost" : server_.host.c_str();
  MYSQL* const done =
      mysql_real_connect(mysql_.get(), host, or_null(user), secret, address_.database.c_str(),
                         server_.port != 0 ? server_.port : kUsualPort, or_null(server_.socket),
                         CLIENT_REMEMBER_OPTIONS);
  ::explicit_bzero(password->data(), password->size());
  if (done == nullptr) {
    Error error = problem("cannot connect to " + server_.name());
    mysql_.reset();
    return error;
  }
  if (options_.tls && mysql_get_ssl_cipher(mysql_.get()) == nullptr) {
    mysql_.reset();
    return Error{ErrorClass::permission, server_.name() + " does not offer TLS", {}};
  }
  const auto socket = static_cast<int>(mysql_get_socket(mysql_.get()));
  keep_alive(socket);
  {
    const std::lock_guard lock(mutex_);
    socket_.reset(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
    if (is_broken_ || !socket_) {
      ::shutdown(socket, SHUT_RDWR);
    }
  }
  Status status = session();
  if (!status) {
    close();
  }
  return status;
}

// A reader that is slow must not cost the connection, and what is read must be the same everywhere.
Status SqlConnection::session() {
  const char* const kRequired[] = {
      "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
      "SET SESSION time_zone = '+00:00'",
  };
  // Not every server knows these.
  const char* const kUseful[] = {
      "SET SESSION net_write_timeout = 31536000",
      "SET SESSION wait_timeout = 31536000",
      "SET SESSION max_statement_time = 0",
      "SET SESSION max_execution_time = 0",
  };
  for (const char* const statement : kRequired) {
    if (Status status = run(statement); !status) {
      return status;
    }
  }
  if (options_.query.empty()) {
    // Zero dates compare as they are, whatever the server's default.
    if (Status status = run("SET SESSION sql_mode = ''"); !status) {
      return status;
    }
  }
  for (const char* const statement : kUseful) {
    if (Status status = run(statement); !status && status.error().kind == ErrorClass::unavailable) {
      return status;
    }
  }
  return {};
}

void SqlConnection::close() {
  {
    // Freeing a result would read all that is left of it.
    const std::lock_guard lock(mutex_);
    if (socket_ && result_) {
      ::shutdown(socket_.get(), SHUT_RDWR);
    }
    socket_.reset();
  }
  result_.reset();
  mysql_.reset();
}

void SqlConnection::break_off() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  const std::lock_guard lock(mutex_);
  is_broken_ = true;
  if (socket_) {
    ::shutdown(socket_.get(), SHUT_RDWR);
  }
}

Status SqlConnection::run(const std::string& statement) {
  if (Status status = start(statement); !status) {
    return status;
  }
  finish();
  return {};
}

Result<std::vector<std::vector<std::string>>> SqlConnection::table(const std::string& statement) {
  if (Status status = start(statement); !status) {
    return status.error();
  }
  std::vector<std::vector<std::string>> rows;
  for (;;) {
    const Result<const SqlValue*> row = next();
    if (!row) {
      return row.error();
    }
    if (*row == nullptr) {
      return rows;
    }
    std::vector<std::string>& texts = rows.emplace_back();
    for (std::size_t i = 0; i < row_.size(); ++i) {
      texts.emplace_back((*row)[i].data == nullptr ? std::string_view() : (*row)[i].text());
    }
  }
}

Result<std::vector<SqlField>> SqlConnection::describe(const std::string& statement) {
  struct StatementClosed {
    void operator()(MYSQL_STMT* open) const { mysql_stmt_close(open); }
  };
  const std::unique_ptr<MYSQL_STMT, StatementClosed> prepared(mysql_stmt_init(mysql_.get()));
  if (!prepared) {
    return Error{ErrorClass::unavailable, "out of memory", {}};
  }
  if (mysql_stmt_prepare(prepared.get(), statement.data(), statement.size()) != 0) {
    return sql_problem("cannot read from " + server_.name(), mysql_stmt_errno(prepared.get()),
                       mysql_stmt_error(prepared.get()));
  }
  std::vector<SqlField> fields;
  const std::unique_ptr<MYSQL_RES, Freed> result(mysql_stmt_result_metadata(prepared.get()));
  if (result) {
    const unsigned count = mysql_num_fields(result.get());
    for (unsigned i = 0; i < count; ++i) {
      fields.push_back(field_of(mysql_fetch_fields(result.get())[i]));
    }
  }
  return fields;
}

Status SqlConnection::start(const std::string& statement) {
  finish();
  if (mysql_real_query(mysql_.get(), statement.data(), statement.size()) != 0) {
    return problem("cannot read from " + server_.name());
  }
  result_.reset(mysql_use_result(mysql_.get()));
  if (!result_) {
    if (mysql_errno(mysql_.get()) != 0) {
      return problem("cannot read from " + server_.name());
    }
    row_.clear();
    return {};
  }
  row_.assign(mysql_num_fields(result_.get()), SqlValue());
  return {};
}

Result<const SqlValue*> SqlConnection::next() {
  if (!result_) {
    return nullptr;
  }
  char** const row = mysql_fetch_row(result_.get());
  if (row == nullptr) {
    const unsigned number = mysql_errno(mysql_.get());
    if (number == CR_SERVER_LOST && is_alive()) {
      // The library gives up on a row beyond the limit, and reports that the server is gone.
      return Error{
          ErrorClass::input,
          "a row of " + server_.name() + " is larger than " + to_string(Bytes{largest_row_}),
          "raise --max-event, or let the query select less of long columns: LEFT(column, "
          "1000)"};
    }
    if (number != 0) {
      return problem("lost the rows of " + server_.name());
    }
    result_.reset();
    return nullptr;
  }
  const unsigned long* const sizes = mysql_fetch_lengths(result_.get());
  for (std::size_t i = 0; i < row_.size(); ++i) {
    row_[i] = {row[i], row[i] == nullptr ? 0 : sizes[i]};
  }
  return row_.data();
}

// The server has not closed its end.
bool SqlConnection::is_alive() {
  const std::lock_guard lock(mutex_);
  char byte = 0;
  const ssize_t n =
      socket_ && !is_broken_ ? ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) : 0;
  return n > 0 || (n < 0 && errno == EAGAIN);
}

void SqlConnection::finish() { result_.reset(); }

}  // namespace fl
