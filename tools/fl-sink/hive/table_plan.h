// What the sink does with a table: how its rows are written, where its files go; or why it cannot.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/metastore/types.h"
#include "tools/fl-sink/hive/delimited_rows.h"
#include "tools/fl-sink/hive/partition_names.h"
#include "tools/fl-sink/hive/partition_value.h"

namespace fl {

struct HiveOptions;

struct TablePlan {
  MetastoreTable table;
  std::string location;    ///< as the metastore names it, without a slash at its end
  std::string serializer;  ///< delimited, json, avro_event, avro_schema
  std::optional<DelimitedTable> delimited;
  std::vector<PartitionColumn> columns;
  std::vector<PartitionPattern> patterns;  ///< in the order of the columns

  /// For people: what was found.
  std::string text() const;
};

/// Examines a table. Class config: it is of a kind or form that we do not write, or it does not fit
/// the options; the hint says what to change.
Result<TablePlan> plan_table(MetastoreTable table, const HiveOptions& options,
                             std::vector<PartitionPattern> patterns);

/// A location as URL of our stores: Hive writes "file:/dir" for "file:///dir".
std::string location_url(std::string location);
/// Whether two locations are the same place.
bool is_same_location(std::string a, std::string b);

}  // namespace fl
