#include "tools/fl-source/sql/address.h"

#include <optional>

#include "common/base/log.h"
#include "common/base/units.h"

namespace fl {
namespace {

constexpr const char* kForm = "mysql://[USER@]HOST[:PORT]/DATABASE/TABLE";

Error wrong(const std::string& why) {
  return {ErrorClass::usage, "the URL of the table " + why, kForm};
}

int digit_of(char letter) {
  return letter >= '0' && letter <= '9'   ? letter - '0'
         : letter >= 'a' && letter <= 'f' ? letter - 'a' + 10
         : letter >= 'A' && letter <= 'F' ? letter - 'A' + 10
                                          : -1;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? digit_of(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

Result<SqlAddress> SqlAddress::parse(std::string_view url) {
  if (url.starts_with("jdbc:")) {
    return wrong("begins with jdbc:, which only Java understands");
  }
  const std::size_t scheme = url.find("://");
  const std::string_view name = url.substr(0, scheme);
  if (scheme == std::string_view::npos || (name != "mysql" && name != "mariadb")) {
    return wrong("does not begin with mysql:// or mariadb://");
  }
  std::string_view rest = url.substr(scheme + 3);
  const std::size_t slash = rest.find('/');
  std::string_view where = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  SqlAddress address;
  const auto take = [](std::string_view text, std::string& to) {
    std::optional<std::string> plain = decoded(text);
    if (plain) {
      to = std::move(*plain);
    }
    return plain.has_value();
  };
  if (const std::size_t at = where.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = where.substr(0, at);
    if (user.find(':') != std::string_view::npos) {
      return Error{ErrorClass::usage,
                   "the URL of the table holds a password, and everybody can read a command line",
                   "--password-file FILE, --password-env VARIABLE or --option-file FILE"};
    }
    if (!take(user, address.user)) {
      return wrong("has a % in its user that is not %XX");
    }
    where.remove_prefix(at + 1);
  }
  std::size_t colon = where.rfind(':');
  if (where.starts_with('[')) {
    const std::size_t end = where.find(']');
    if (end == std::string_view::npos || (end + 1 < where.size() && where[end + 1] != ':')) {
      return wrong("has a [ without its ]");
    }
    address.host = where.substr(1, end - 1);
    colon = end + 1 < where.size() ? end + 1 : std::string_view::npos;
  } else if (!take(where.substr(0, colon), address.host)) {
    return wrong("has a % in its host that is not %XX");
  }
  if (colon != std::string_view::npos) {
    const Result<std::uint64_t> port = parse_count(where.substr(colon + 1), UINT16_MAX);
    if (!port || *port == 0) {
      return wrong("has a port that is not a number from 1 to 65535");
    }
    address.port = static_cast<std::uint16_t>(*port);
  }
  if (path.find('?') != std::string_view::npos) {
    return wrong("holds a '?': what it would say are options, for example --socket and --tls");
  }
  const std::size_t next = path.find('/');
  if (!take(path.substr(0, next), address.database) || address.database.empty()) {
    return wrong("names no database");
  }
  if (next != std::string_view::npos) {
    if (!take(path.substr(next + 1), address.table) ||
        path.substr(next + 1).find('/') != std::string_view::npos) {
      return wrong("has more than a database and a table in its path");
    }
  }
  return address;
}

std::string SqlAddress::server() const {
  const std::string name = host.empty() ? "localhost" : printable(host);
  return port == 0 ? name : name + ":" + std::to_string(port);
}

}  // namespace fl
