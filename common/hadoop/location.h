// Where a PATH or URL leads: the file system, its NameNodes and the path there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/hadoop/config.h"

namespace fl {

struct HdfsLocation {
  enum class Scheme { hdfs, webhdfs, swebhdfs, file };
  Scheme scheme = Scheme::hdfs;
  /// "http://host:port" or "https://host:port" of each NameNode (or gateway), in the order to try;
  /// empty for `file`.
  std::vector<std::string> endpoints;
  /// The endpoints are HttpFS gateways.
  bool httpfs = false;
  /// hadoop.security.authentication or hadoop.http.authentication.type is kerberos, unless the
  /// caller decides.
  bool kerberos = false;
  /// Authority of the file system ("ns1", "nn:9000"), which tokens are for; may be empty.
  std::string service;
  /// Absolute ("/" first) or relative to the home directory there; "" is the home directory itself.
  /// Percent-encoding of a URL is not decoded: Hadoop's paths are literal.
  std::string path;
  /// What to check when nothing usable answers at the endpoints; may be empty.
  std::string hint = {};
  /// Who we are: `user_option`, else $HADOOP_USER_NAME, else the login name.
  std::string user;
};

/// What a user gives besides the path.
struct HdfsLocationOptions {
  std::string user;              ///< empty: $HADOOP_USER_NAME, else the login name
  std::string httpfs;            ///< URLs of HttpFS gateways, with commas; empty: none
  std::optional<bool> kerberos;  ///< nullopt: as the configuration says
};

/// Rules as Hadoop's: a URL decides; else fs.defaultFS. A nameservice gives one endpoint for each
/// of its NameNodes. nullopt: no scheme and no fs.defaultFS (the caller decides what that means).
/// With gateways any path leads to them, and an authority in it is not used.
/// Errors, class config: a scheme we do not serve (viewfs, s3a, ...), a nameservice without
/// NameNodes, an invalid address; a gateway for file:///.
Result<std::optional<HdfsLocation>> resolve(std::string_view path_or_url,
                                            const HadoopConfig& config,
                                            const HdfsLocationOptions& options);
inline Result<std::optional<HdfsLocation>> resolve(std::string_view path_or_url,
                                                   const HadoopConfig& config,
                                                   const std::string& user_option) {
  HdfsLocationOptions options;
  options.user = user_option;
  return resolve(path_or_url, config, options);
}

}  // namespace fl
