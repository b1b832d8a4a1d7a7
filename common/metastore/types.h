// What a Hive metastore knows of a table, as far as files and partitions need it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fl {

using MetastoreParameters = std::map<std::string, std::string>;

struct MetastoreColumn {
  std::string name;
  std::string type;  ///< as Hive writes it, for example "map<string,string>"
  std::string comment;
};

/// Where files are and how they are read.
struct MetastoreStorage {
  std::vector<MetastoreColumn> columns;  ///< without those of partitions
  std::string location;
  std::string input_format;
  std::string output_format;
  bool is_compressed = false;
  std::int32_t buckets = -1;
  std::string serde_name;
  std::string serde;  ///< the class that reads rows
  MetastoreParameters serde_parameters;
  std::vector<std::string> bucket_columns;
  MetastoreParameters parameters;
};

struct MetastoreTable {
  std::string database;
  std::string name;
  std::string type;  ///< "EXTERNAL_TABLE", "MANAGED_TABLE", "VIRTUAL_VIEW", ...
  MetastoreStorage storage;
  std::vector<MetastoreColumn> partition_columns;
  MetastoreParameters parameters;

  /// "db.table", for people.
  std::string shown() const { return database + "." + name; }
};

}  // namespace fl
