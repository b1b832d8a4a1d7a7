#include "common/hadoop/location.h"

#include <pwd.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>

namespace fl {
namespace {

Error config_error(std::string message, std::string hint = {}) {
  return {ErrorClass::config, std::move(message), std::move(hint)};
}

struct Url {
  std::string scheme;     // lower case; empty: a bare path
  std::string authority;  // "host:port", a nameservice, or empty
  std::string path;
};

/// Only "scheme:/..." is a URL: a ':' further on belongs to a path.
Url split_url(std::string_view text) {
  std::size_t length = 0;
  while (length < text.size() &&
         (std::isalpha(static_cast<unsigned char>(text[length])) != 0 ||
          (length > 0 && (std::isdigit(static_cast<unsigned char>(text[length])) != 0 ||
                          std::string_view("+.-").find(text[length]) != std::string_view::npos)))) {
    ++length;
  }
  if (length == 0 || text.substr(length, 2) != ":/") {
    return {"", "", std::string(text)};
  }
  Url url;
  for (const char c : text.substr(0, length)) {
    url.scheme += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  text.remove_prefix(length + 1);
  if (text.starts_with("//")) {
    text.remove_prefix(2);
    const std::size_t slash = std::min(text.find('/'), text.size());
    url.authority = text.substr(0, slash);
    text.remove_prefix(slash);
  }
  url.path = text;
  return url;
}

struct Address {
  std::string host;  // with brackets if IPv6
  std::string port;  // empty: none given
};

/// nullopt: not an address.
std::optional<Address> split_address(std::string_view text) {
  Address address;
  std::size_t colon = std::string_view::npos;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos ||
        text.substr(1, close - 1).find_first_not_of("0123456789abcdefABCDEF:.") !=
            std::string_view::npos) {
      return std::nullopt;
    }
    address.host = text.substr(0, close + 1);
    text.remove_prefix(close + 1);
    if (!text.empty() && text.front() != ':') {
      return std::nullopt;
    }
    colon = text.empty() ? colon : 0;
  } else {
    colon = text.find(':');
    address.host = text.substr(0, colon);
    for (const char c : address.host) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-' && c != '_') {
        return std::nullopt;
      }
    }
  }
  if (colon != std::string_view::npos) {
    address.port = text.substr(colon + 1);
    if (address.port.empty() || address.port.size() > 5 ||
        address.port.find_first_not_of("0123456789") != std::string::npos) {
      return std::nullopt;
    }
    int number = 0;
    std::from_chars(address.port.data(), address.port.data() + address.port.size(), number);
    if (number < 1 || number > 65535) {
      return std::nullopt;
    }
  }
  if (address.host.empty()) {
    return std::nullopt;
  }
  return address;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t begin = item.find_first_not_of(kBlanks);
    if (begin != std::string_view::npos) {
      items.emplace_back(item.substr(begin, item.find_last_not_of(kBlanks) - begin + 1));
    }
  }
  return items;
}

bool same_host(const std::string& a, const std::string& b) {
  return strcasecmp(a.c_str(), b.c_str()) == 0;
}

/// Finds the HTTP addresses of name nodes in a configuration.
class Endpoints {
 public:
  Endpoints(const HadoopConfig& config, bool https) : config_(config), https_(https) {}

  /// Of a nameservice or of one NameNode named by its RPC address.
  Result<std::vector<std::string>> of_hdfs(const std::string& authority) const {
    if (is_nameservice(authority)) {
      return of_nameservice(authority);
    }
    const std::optional<Address> named = split_address(authority);
    if (!named) {
      return config_error("'" + authority + "' is not the address of a NameNode",
                          "write HOST or HOST:PORT, for example webhdfs://namenode:9870/PATH");
    }
    Address http{named->host, default_port()};
    const std::string configured = config_.get(key()).value_or("");
    // The configured HTTP address belongs to the cluster of this configuration, not to any host
    // that a URL may name.
    if (!configured.empty() && is_own_namenode(*named)) {
      const std::optional<Address> address = split_address(configured);
      if (!address) {
        return config_error("'" + configured + "' (" + key() + ") is not an address");
      }
      http = complete(*address, named->host);
    }
    return std::vector<std::string>{url(http)};
  }

  /// Of a URL that names the HTTP address itself, or a nameservice.
  Result<std::vector<std::string>> of_web(const std::string& authority) const {
    if (is_nameservice(authority)) {
      return of_nameservice(authority);
    }
    const std::optional<Address> named = split_address(authority);
    if (!named) {
      return config_error("'" + authority + "' is not the address of a NameNode",
                          "write HOST or HOST:PORT, for example webhdfs://namenode:9870/PATH");
    }
    return std::vector<std::string>{url(complete(*named, named->host))};
  }

 private:
  std::string key() const {
    return https_ ? "dfs.namenode.https-address" : "dfs.namenode.http-address";
  }
  std::string default_port() const { return https_ ? "9871" : "9870"; }
  std::string url(const Address& address) const {
    return (https_ ? "https://" : "http://") + address.host + ":" + address.port;
  }
  Address complete(Address address, const std::string& host) const {
    if (address.host == "0.0.0.0" || address.host == "[::]") {
      address.host = host;
    }
    if (address.port.empty()) {
      address.port = default_port();
    }
    return address;
  }

  bool is_nameservice(const std::string& name) const {
    if (!config_.get("dfs.ha.namenodes." + name).value_or("").empty()) {
      return true;
    }
    for (const std::string& known : split_list(config_.get("dfs.nameservices").value_or(""))) {
      if (known == name) {
        return true;
      }
    }
    return false;
  }

  bool is_own_namenode(const Address& named) const {
    for (const char* name :
         {"fs.defaultFS", "dfs.namenode.rpc-address", "dfs.namenode.servicerpc-address"}) {
      const std::string value = config_.get(name).value_or("");
      const Url parts = split_url(value);
      const auto own = split_address(parts.scheme.empty() ? value : parts.authority);
      if (own && same_host(own->host, named.host) &&
          (own->port.empty() || named.port.empty() || own->port == named.port)) {
        return true;
      }
    }
    return false;
  }

  Result<std::vector<std::string>> of_nameservice(const std::string& service) const {
    std::vector<std::string> ids =
        split_list(config_.get("dfs.ha.namenodes." + service).value_or(""));
    const bool one = ids.empty();
    if (one) {
      ids.emplace_back();  // a federated NameNode without a stand-by has keys without an id
    }
    std::vector<std::string> endpoints;
    for (const std::string& id : ids) {
      const std::string suffix = "." + service + (one ? "" : "." + id);
      const std::string rpc_key = "dfs.namenode.rpc-address" + suffix;
      const std::string rpc = config_.get(rpc_key).value_or("");
      const std::string web = config_.get(key() + suffix).value_or("");
      const std::optional<Address> rpc_address = split_address(rpc);
      const std::optional<Address> web_address = split_address(web);
      if (!rpc.empty() && !rpc_address) {
        return config_error("'" + rpc + "' (" + rpc_key + ") is not an address");
      }
      if (!web.empty() && !web_address) {
        return config_error("'" + web + "' (" + key() + suffix + ") is not an address");
      }
      const bool any_host =
          web_address && (web_address->host == "0.0.0.0" || web_address->host == "[::]");
      if (web_address && (rpc_address || !any_host)) {
        endpoints.push_back(url(complete(*web_address, rpc_address ? rpc_address->host : "")));
      } else if (rpc_address) {
        endpoints.push_back(url({rpc_address->host, default_port()}));
      } else {
        return config_error("no address of a NameNode of nameservice '" + service + "'",
                            "set " + key() + suffix + " or " + rpc_key + " in hdfs-site.xml");
      }
    }
    return endpoints;
  }

  const HadoopConfig& config_;
  const bool https_;
};

/// "http://HOST:PORT/PREFIX" of each URL of a list, without what WebHDFS appends to it.
Result<std::vector<std::string>> gateways_of(const std::string& list) {
  std::vector<std::string> endpoints;
  for (const std::string& text : split_list(list)) {
    const Url url = split_url(text);
    std::optional<Address> address = split_address(url.authority);
    if ((url.scheme != "http" && url.scheme != "https") || !address ||
        url.path.find_first_of("?# ") != std::string::npos) {
      return config_error("'" + text + "' is not the address of an HttpFS gateway",
                          "write http://HOST:14000 or https://HOST:PORT/PREFIX");
    }
    std::string prefix = url.path;
    for (const std::string_view end : {"/", "/webhdfs/v1", "/"}) {
      if (prefix.ends_with(end)) {
        prefix.resize(prefix.size() - end.size());
      }
    }
    endpoints.push_back(url.scheme + "://" + address->host + ":" +
                        (address->port.empty() ? "14000" : address->port) + prefix);
  }
  if (endpoints.empty()) {
    return config_error("no address of an HttpFS gateway in '" + list + "'");
  }
  return endpoints;
}

Result<std::string> who_am_i(const std::string& user_option) {
  if (!user_option.empty()) {
    return user_option;
  }
  const char* name = std::getenv("HADOOP_USER_NAME");
  if (name != nullptr && *name != '\0') {
    return std::string(name);
  }
  std::array<char, 16384> buffer;
  struct passwd entry {};
  struct passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr && *entry.pw_name != '\0') {
    return std::string(entry.pw_name);
  }
  return config_error("no name for user " + std::to_string(geteuid()),
                      "give the HDFS user by option or in HADOOP_USER_NAME");
}

}  // namespace

Result<std::optional<HdfsLocation>> resolve(std::string_view path_or_url,
                                            const HadoopConfig& config,
                                            const HdfsLocationOptions& options) {
  Url url = split_url(path_or_url);
  const std::string default_fs = config.get("fs.defaultFS").value_or("");
  const Url base = split_url(default_fs);
  if (!default_fs.empty() && base.scheme.empty()) {
    return config_error("fs.defaultFS is '" + default_fs + "', which is not a URL");
  }
  if (url.scheme.empty() && !options.httpfs.empty()) {
    url.scheme = "hdfs";
  } else if (url.scheme.empty()) {
    if (default_fs.empty()) {
      return std::optional<HdfsLocation>();
    }
    url.scheme = base.scheme;
    url.authority = base.authority;
  } else if (url.authority.empty() && url.scheme == base.scheme) {
    url.authority = base.authority;
  }

  HdfsLocation location;
  location.path = url.path;
  if (url.scheme == "file") {
    if (!url.authority.empty() && url.authority != "localhost") {
      return config_error("'" + std::string(path_or_url) + "' names a file on another host",
                          "a local file is file:///PATH, with three slashes");
    }
    if (!options.httpfs.empty()) {
      return config_error("'" + std::string(path_or_url) + "' is a local file, not one of HttpFS");
    }
    location.scheme = HdfsLocation::Scheme::file;
    return std::optional(std::move(location));
  }
  if (url.scheme == "http" || url.scheme == "https") {
    return config_error("'" + std::string(path_or_url) + "' is not the URL of a file system",
                        std::string("for WebHDFS write ") +
                            (url.scheme == "http" ? "webhdfs://" : "swebhdfs://") + url.authority +
                            "/PATH; for an HttpFS gateway give --httpfs " + url.scheme + "://" +
                            url.authority + " and a PATH");
  }
  if (url.scheme != "hdfs" && url.scheme != "webhdfs" && url.scheme != "swebhdfs") {
    return config_error(url.scheme + ":// is not supported",
                        "supported: hdfs, webhdfs, swebhdfs, file; for viewfs give the URL of the "
                        "cluster behind the mount");
  }
  auto user = who_am_i(options.user);
  if (!user) {
    return user.error();
  }
  location.user = std::move(*user);
  location.kerberos = options.kerberos.value_or(
      config.get("hadoop.security.authentication").value_or("") == "kerberos" ||
      config.get("hadoop.http.authentication.type").value_or("") == "kerberos");
  location.scheme = url.scheme == "hdfs"      ? HdfsLocation::Scheme::hdfs
                    : url.scheme == "webhdfs" ? HdfsLocation::Scheme::webhdfs
                                              : HdfsLocation::Scheme::swebhdfs;
  location.service = url.authority;
  if (!options.httpfs.empty()) {
    auto gateways = gateways_of(options.httpfs);
    if (!gateways) {
      return gateways.error();
    }
    location.httpfs = true;
    location.endpoints = std::move(*gateways);
    return std::optional(std::move(location));
  }
  if (url.authority.empty()) {
    return config_error("'" + std::string(path_or_url) + "' names no NameNode and fs.defaultFS " +
                            (default_fs.empty() ? "is not set" : "is '" + default_fs + "'"),
                        "write " + url.scheme + "://HOST:PORT/PATH");
  }
  const std::string policy = config.get("dfs.http.policy").value_or("HTTP_ONLY");
  const bool https = url.scheme == "swebhdfs" || (url.scheme == "hdfs" && policy == "HTTPS_ONLY");
  const Endpoints endpoints(config, https);
  auto found =
      url.scheme == "hdfs" ? endpoints.of_hdfs(url.authority) : endpoints.of_web(url.authority);
  if (!found) {
    return found.error();
  }
  location.endpoints = std::move(*found);
  const std::optional<Address> named = split_address(url.authority);
  if (url.scheme == "hdfs" && location.endpoints.size() == 1 && named && !named->port.empty()) {
    // The user gave the RPC port; WebHDFS's port came from the configuration or a default.
    const std::string& tried = location.endpoints.front();
    location.hint = "hdfs:// ports are RPC; tried WebHDFS at " +
                    tried.substr(tried.find("//") + 2) + "; or use " +
                    (https ? "swebhdfs://" : "webhdfs://") + named->host + ":PORT";
  } else if (url.scheme != "hdfs") {
    location.hint = std::string("the port is that of dfs.namenode.") + (https ? "https" : "http") +
                    "-address, usually " + (https ? "9871" : "9870");
  }
  return std::optional(std::move(location));
}

}  // namespace fl
