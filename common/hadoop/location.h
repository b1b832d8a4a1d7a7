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
  /// Absolute ("/" first) or relative to the home directory there; "" is the home directory itself.
  /// Percent-encoding of a URL is not decoded: Hadoop's paths are literal.
  std::string path;
  /// Who we are: `user_option`, else $HADOOP_USER_NAME, else the login name.
  std::string user;
};

/// Rules as Hadoop's: a URL decides; else fs.defaultFS. A nameservice gives one endpoint for each
/// of its NameNodes. nullopt: no scheme and no fs.defaultFS (the caller decides what that means).
/// Errors, class config: a scheme we do not serve (viewfs, s3a, ...), a nameservice without
/// NameNodes, an address that is none.
Result<std::optional<HdfsLocation>> resolve(std::string_view path_or_url,
                                            const HadoopConfig& config,
                                            const std::string& user_option);

}  // namespace fl
