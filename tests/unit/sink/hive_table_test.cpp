// Which tables can be written, and how.
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tools/fl-sink/hive/options.h"
#include "tools/fl-sink/hive/table_plan.h"

namespace fl {
namespace {

MetastoreTable text_table() {
  MetastoreTable table;
  table.database = "d";
  table.name = "t";
  table.type = "EXTERNAL_TABLE";
  table.storage.columns = {
      {"id", "int", ""}, {"note", "string", ""}, {"tags", "array<string>", ""}};
  table.storage.location = "file:/w/t/";
  table.storage.input_format = "org.apache.hadoop.mapred.TextInputFormat";
  table.storage.serde = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
  return table;
}

MetastoreTable avro_table() {
  MetastoreTable table = text_table();
  table.storage.columns = {{"headers", "map<string,string>", ""}, {"body", "binary", ""}};
  table.storage.input_format = "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat";
  table.storage.serde = "org.apache.hadoop.hive.serde2.avro.AvroSerDe";
  return table;
}

Result<TablePlan> plan(MetastoreTable table, const HiveOptions& options = {},
                       const std::string& partition = {}) {
  return plan_table(std::move(table), options, *parse_partition(partition));
}

// The reason why a table is refused; empty: it is not.
std::string refusal(MetastoreTable table, const HiveOptions& options = {},
                    const std::string& partition = {}) {
  const Result<TablePlan> planned = plan(std::move(table), options, partition);
  if (planned) {
    return {};
  }
  EXPECT_EQ(planned.error().kind, ErrorClass::config);
  return planned.error().message;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(HiveTable, TextAsTheTableSays) {
  MetastoreTable table = text_table();
  Result<TablePlan> planned = plan(table);
  ASSERT_TRUE(planned.ok()) << planned.error().message;
  EXPECT_EQ(planned->location, "file:/w/t");
  EXPECT_EQ(planned->delimited->separator, '\1');
  EXPECT_FALSE(planned->delimited->escape.has_value());
  EXPECT_EQ(planned->delimited->null, "\\N");
  EXPECT_EQ(planned->delimited->fields, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(planned->delimited->is_plain, (std::vector<bool>{true, true, false}));

  table.storage.serde_parameters = {{"serialization.format", "2"}};
  EXPECT_EQ(plan(table)->delimited->separator, '\2');
  table.storage.serde_parameters = {{"field.delim", ","},
                                    {"escape.delim", "\\"},
                                    {"serialization.format", "2"},
                                    {"line.delim", "\n"},
                                    {"serialization.null.format", ""}};
  planned = plan(table);
  EXPECT_EQ(planned->delimited->separator, ',');
  EXPECT_EQ(planned->delimited->escape, '\\');
  EXPECT_EQ(planned->delimited->null, "");
}

TEST(HiveTable, FieldsAreColumns) {
  HiveOptions options;
  options.field_names = "NOTE,,id";
  EXPECT_EQ(plan(text_table(), options)->delimited->fields, (std::vector<int>{1, -1, 0}));
  options.field_names = "note,none";
  EXPECT_TRUE(has(refusal(text_table(), options), "no column 'none'"));
  options.field_names = "id,id";
  EXPECT_TRUE(has(refusal(text_table(), options), "twice"));
  options.field_names = "headers";
  EXPECT_TRUE(has(refusal(avro_table(), options), "--field-names"));
}

TEST(HiveTable, TheDelimiterOfTheTable) {
  HiveOptions options;
  options.separator = "|";
  EXPECT_TRUE(has(refusal(text_table(), options), "'\\001', not by '|'"));
  options.separator = "'\\001'";
  EXPECT_EQ(refusal(text_table(), options), "");
}

TEST(HiveTable, TheSerializerFollowsTheTable) {
  EXPECT_EQ(plan(text_table())->serializer, "delimited");
  EXPECT_EQ(plan(avro_table())->serializer, "avro_event");
  MetastoreTable own = avro_table();
  own.storage.columns.pop_back();
  EXPECT_EQ(plan(own)->serializer, "avro_schema");
  HiveOptions options;
  options.serializer = "avro_event";
  EXPECT_TRUE(has(refusal(own, options), "columns"));
  MetastoreTable json = text_table();
  json.storage.serde = "org.apache.hadoop.hive.serde2.JsonSerDe";
  EXPECT_EQ(plan(json)->serializer, "json");
  options.serializer = "json";
  EXPECT_TRUE(has(refusal(text_table(), options), "does not fit"));
  MetastoreTable spark = text_table();
  spark.storage.input_format = "org.apache.hadoop.mapred.SequenceFileInputFormat";
  spark.parameters = {{"spark.sql.sources.provider", "JSON"}};
  spark.storage.serde_parameters = {{"path", "file:/w/spark"}};
  EXPECT_EQ(plan(spark)->serializer, "json");
  EXPECT_EQ(plan(spark)->location, "file:/w/spark");
  spark.parameters = {{"spark.sql.sources.provider", "parquet"}};
  EXPECT_TRUE(has(refusal(spark), "USING parquet"));
}

TEST(HiveTable, OthersAreRefused) {
  const auto with = [](const std::string& key, const std::string& value) {
    MetastoreTable table = text_table();
    table.parameters[key] = value;
    return refusal(table);
  };
  EXPECT_TRUE(has(with("transactional", "TRUE"), "transactional"));
  EXPECT_EQ(with("transactional", "false"), "");
  EXPECT_TRUE(has(with("skip.header.line.count", "1"), "first lines"));
  EXPECT_TRUE(has(with("storage_handler", "x.Y"), "x.Y"));
  EXPECT_TRUE(has(with("table_type", "ICEBERG"), "Iceberg"));
  MetastoreTable table = text_table();
  table.type = "VIRTUAL_VIEW";
  EXPECT_TRUE(has(refusal(table), "view"));
  table = text_table();
  table.storage.buckets = 4;
  table.storage.bucket_columns = {"id"};
  EXPECT_TRUE(has(refusal(table), "bucketed"));
  table = text_table();
  table.storage.input_format = "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat";
  table.storage.serde = "org.apache.hadoop.hive.ql.io.orc.OrcSerde";
  EXPECT_TRUE(has(refusal(table), "OrcSerde"));
  table = text_table();
  table.storage.serde_parameters = {{"serialization.encoding", "GBK"}};
  EXPECT_TRUE(has(refusal(table), "gbk"));
  table.storage.serde_parameters = {{"line.delim", "|"}};
  EXPECT_TRUE(has(refusal(table), "newline"));
}

TEST(HiveTable, PartitionColumns) {
  MetastoreTable table = text_table();
  EXPECT_TRUE(has(refusal(table, {}, "x"), "no partition columns"));
  table.partition_columns = {{"dt", "date", ""}, {"hr", "int", ""}};
  EXPECT_TRUE(has(refusal(table), "2 partition columns"));
  EXPECT_TRUE(has(refusal(table, {}, "x"), "1 value"));
  EXPECT_TRUE(has(refusal(table, {}, "hr=%H/day=%Y"), "'dt'"));
  const Result<TablePlan> planned = plan(table, {}, "HR=%H/dt=%Y-%m-%d");
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->columns[0].name(), "dt");
  EXPECT_EQ(planned->patterns[0].column, "dt");
  EXPECT_EQ(planned->patterns[1].column, "hr");
  table.partition_columns[1].type = "binary";
  EXPECT_TRUE(has(refusal(table, {}, "a,b"), "binary"));
}

TEST(HiveTable, OnePlaceHasSeveralNames) {
  EXPECT_EQ(location_url("file:/w/t"), "file:///w/t");
  EXPECT_EQ(location_url("file:///w/t"), "file:///w/t");
  EXPECT_EQ(location_url("hdfs://nn:8020/w"), "hdfs://nn:8020/w");
  EXPECT_TRUE(is_same_location("file:/w/t/", "file:///w/t"));
  EXPECT_FALSE(is_same_location("file:/w/t", "file:/w/T"));
}

}  // namespace
}  // namespace fl
