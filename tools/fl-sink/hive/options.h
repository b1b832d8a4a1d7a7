// The options of the hive sink; the table that names them is in hive.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/units.h"
#include "tools/fl-sink/hdfs/options.h"
#include "tools/fl-sink/serializer_options.h"

namespace fl {

struct HiveOptions {
  std::string table;
  std::string database = "default";
  std::string metastore;
  std::string partition;
  bool create_partitions = true;
  std::string location;

  std::string serializer = "auto";
  std::string delimiter = ",";
  std::string field_names;
  std::string separator;
  SerializerOptions avro;

  HdfsOptions files;

  // Of transactions.
  std::uint64_t batch_size = 15'000;
  std::uint64_t transactions = 100;
  Duration heartbeat{240'000};
  std::uint64_t connections = 500;
};

}  // namespace fl
