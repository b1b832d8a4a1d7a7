#include "tools/fl-sink/hdfs/where.h"

#include <optional>

#include "common/hadoop/config.h"
#include "tools/fl-sink/hdfs/options.h"

namespace fl {

Result<Where> find_where(const HdfsOptions& options, bool terminal) {
  const std::string path = options.path.empty() ? "fl-data" : options.path;
  const Result<HadoopConfig> config = HadoopConfig::load(options.conf_dir);
  if (!config) {
    return config.error();
  }
  HdfsLocationOptions location;
  location.user = options.user;
  location.httpfs = options.httpfs;
  if (options.auth != "auto") {
    location.kerberos = options.auth == "kerberos";
  } else if (!options.kerberos_keytab.empty() || !options.kerberos_principal.empty()) {
    location.kerberos = true;
  }
  Result<std::optional<HdfsLocation>> found = resolve(path, *config, location);
  if (!found) {
    return found.error();
  }
  Where where;
  if (*found) {
    where.location = std::move(**found);
    where.path = where.location.path;
    if (where.path.empty() && options.path_rules == "strict") {
      return Error{ErrorClass::usage, "PATH: '" + path + "' names no directory",
                   "a variable that is not set? Write " +
                       (path.starts_with("file:") ? "file:///" : path + "/") + " for the root"};
    }
    if (where.path.empty()) {
      where.path = "/";  // Flume appends a slash and the name
    }
    return where;
  }
  if (terminal && !path.starts_with('/')) {
    where.location.scheme = HdfsLocation::Scheme::file;
    where.path = path.starts_with("./") ? path : "./" + path;
    where.note = "no Hadoop configuration found: writing to " + where.path;
    return where;
  }
  std::string searched;
  for (const std::string& place : config->searched()) {
    searched += searched.empty() ? "" : ", ";
    searched += place;
  }
  return Error{ErrorClass::config,
               "no file system given for '" + path + "': no fs.defaultFS in " +
                   (searched.empty() ? std::string("any configuration") : searched),
               "set HADOOP_CONF_DIR, or give a URL: hdfs://NAMENODE/PATH, or file:///DIRECTORY for "
               "a local one"};
}

}  // namespace fl
