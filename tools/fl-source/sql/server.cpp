#include "tools/fl-source/sql/server.h"

#include <fcntl.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "common/base/small_file.h"
#include "common/base/unique_fd.h"

namespace fl {
namespace {

constexpr unsigned kNoProtocol = 99;           // of a connection: the library refuses it
constexpr std::size_t kLargestFile = 1 << 20;  // of options

Error not_options(const std::string& path, const std::string& why) {
  return {ErrorClass::config, "'" + path + "' is not an option file: " + why,
          "it has lines as [client], user=NAME and password=SECRET"};
}

// What the library cannot read it leaves out without a word.
Status check_option_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return system_error("cannot open '" + path + "'", errno);
  }
  Result<std::string> text = read_small_file(file.get(), path, kLargestFile);
  if (!text) {
    return text.error();
  }
  if (text->size() > kLargestFile) {
    return not_options(path, "it is larger than 1MiB");
  }
  bool has_group = false;
  bool has_client = false;
  std::size_t number = 0;
  for (std::string_view left = *text; !left.empty();) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    std::string_view line = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    ++number;
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r\v\f"), line.size()));
    const std::size_t close = line.find(']');
    const bool is_group = line.starts_with('[');
    if (line.find('\0') != std::string_view::npos ||
        (is_group && close == std::string_view::npos) ||
        (!is_group && !has_group && !line.empty() &&
         std::string_view("#;!'\"").find(line.front()) == std::string_view::npos)) {
      ::explicit_bzero(text->data(), text->size());
      return not_options(
          path, "line " + std::to_string(number) +
                    (is_group ? " begins a group and does not end it" : " belongs to no group"));
    }
    has_group = has_group || is_group;
    const std::string_view group = is_group ? line.substr(1, close - 1) : "";
    has_client = has_client || line.starts_with("!include") || group == "client" ||
                 group == "client-server" || group == "client-mariadb";
  }
  ::explicit_bzero(text->data(), text->size());
  return has_client ? Status() : Status(not_options(path, "it has no group [client]"));
}

std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

}  // namespace

// The library reads the file when it connects, which would let it overrule what is set afterwards.
// So it has to do that at once, in a try that it gives up before it connects.
Status read_option_file(MYSQL* mysql, const std::string& path) {
  if (Status status = check_option_file(path); !status) {
    return status;
  }
  if (mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &kNoProtocol) != 0 ||
      mysql_optionsv(mysql, MYSQL_READ_DEFAULT_FILE, path.c_str()) != 0) {
    return Error{ErrorClass::unavailable, "out of memory", {}};
  }
  // A "protocol" in the file lets it go on: to a socket that cannot be, or to a port of this host
  // where nobody listens.
  (void)mysql_real_connect(mysql, "localhost", "", "", nullptr, 1, "/dev/null/none",
                           CLIENT_REMEMBER_OPTIONS);
  return {};
}

SqlServer SqlServer::of(const MYSQL* mysql, const SqlSourceOptions& options,
                        const SqlAddress& address) {
  SqlServer server;
  server.host = address.host.empty() ? text_or_empty(mysql->options.host) : address.host;
  if (!options.socket.empty()) {
    server.host.clear();
  }
  server.port = address.port != 0 ? address.port : static_cast<std::uint16_t>(mysql->options.port);
  const bool is_tcp = options.socket.empty() &&
                      (address.port != 0 || mysql->options.protocol == MYSQL_PROTOCOL_TCP);
  server.is_local = (server.host.empty() || server.host == "localhost") && !is_tcp;
  if (!server.is_local) {
    return server;
  }
  server.host.clear();
  server.port = 0;
  server.socket =
      options.socket.empty() ? text_or_empty(mysql->options.unix_socket) : options.socket;
  for (const char* const variable : {"MYSQL_UNIX_PORT", "MARIADB_UNIX_PORT"}) {
    if (server.socket.empty()) {
      server.socket = text_or_empty(std::getenv(variable));
    }
  }
  return server;
}

std::string SqlServer::name() const {
  if (!is_local || socket.empty()) {
    SqlAddress address;
    address.host = host;
    address.port = port;
    return address.server();
  }
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(socket, error);
  return error ? socket : path.lexically_normal().string();
}

Result<SqlServer> SqlServer::find(const SqlSourceOptions& options, const SqlAddress& address) {
  const std::unique_ptr<MYSQL, decltype(&mysql_close)> mysql(mysql_init(nullptr), mysql_close);
  if (!mysql) {
    return Error{ErrorClass::unavailable, "out of memory", {}};
  }
  if (!options.option_file.empty()) {
    if (Status status = read_option_file(mysql.get(), options.option_file); !status) {
      return status.error();
    }
  }
  return of(mysql.get(), options, address);
}

}  // namespace fl
