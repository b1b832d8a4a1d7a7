// Hadoop's configuration, read as the `hdfs` command does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// The properties of core-site.xml and hdfs-site.xml of one configuration directory. A value of a
/// later file wins unless an earlier one is final. A value; safe to read from several threads.
class HadoopConfig {
 public:
  /// The first of these that is set or exists: `explicit_dir` (when not empty), $HADOOP_CONF_DIR,
  /// $HADOOP_HOME/etc/hadoop, /etc/hadoop/conf. An explicit directory without any of the two files
  /// is an error; without any configuration elsewhere the result is empty and `found()` is false.
  /// A damaged, unreadable or oversized file (16 MiB, xi:include 20 deep) is an error of class
  /// config that names the file and the place.
  static Result<HadoopConfig> load(const std::string& explicit_dir);
  /// The same from files in this order, for tests and tools; a file that is missing is an error.
  static Result<HadoopConfig> load_files(const std::vector<std::string>& files);

  /// The value of `key` (or of its deprecated or newer names), trimmed, with ${x}, ${env.NAME} and
  /// ${env.NAME:-default} expanded up to 20 times; what cannot be expanded stays as it is written.
  std::optional<std::string> get(std::string_view key) const;
  /// The places searched, for error texts.
  const std::vector<std::string>& searched() const { return searched_; }
  /// Whether any file was read.
  bool found() const { return !files_.empty(); }
  /// The files that were read, in order.
  const std::vector<std::string>& files() const { return files_; }

 private:
  struct Property {
    std::string value;
    bool is_final = false;
  };
  friend class HadoopConfigReader;

  std::map<std::string, Property, std::less<>> properties_;
  std::vector<std::string> searched_;
  std::vector<std::string> files_;
};

}  // namespace fl
