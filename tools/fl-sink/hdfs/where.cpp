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
               "nothing says where '" + path + "' is: no fs.defaultFS in " +
                   (searched.empty() ? std::string("any configuration") : searched),
               "set HADOOP_CONF_DIR, or name the place: hdfs://NAMENODE/PATH, or file:///DIRECTORY "
               "for a local one"};
}

}  // namespace fl
