// Values of partition columns, and the directories that events get.
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/sink/hdfs_test_help.h"
#include "tools/fl-sink/hive/options.h"
#include "tools/fl-sink/hive/partition_names.h"
#include "tools/fl-sink/hive/partition_value.h"

namespace fl {
namespace {

// The value in its form, or "-" where the column cannot have it.
std::string checked(const std::string& type, std::string value) {
  const auto column = PartitionColumn::make("c", type);
  EXPECT_TRUE(column.ok()) << type;
  const Status status = column->check(value);
  if (!status) {
    EXPECT_EQ(status.error().kind, ErrorClass::input);
    return "-";
  }
  return value;
}

TEST(HivePartitionValue, WholeNumbersHaveOneForm) {
  EXPECT_EQ(checked("int", "7"), "7");
  EXPECT_EQ(checked("int", "07"), "7");
  EXPECT_EQ(checked("int", "00"), "0");
  EXPECT_EQ(checked("int", "-07"), "-7");
  EXPECT_EQ(checked("int", "-0"), "0");
  EXPECT_EQ(checked("int", "2147483647"), "2147483647");
  for (const char* const wrong :
       {"x", "2147483648", "", "1.0", " 1", "1 ", "+1", "-", "0x1", "__HIVE_DEFAULT_PARTITION__"}) {
    EXPECT_EQ(checked("int", wrong), "-") << wrong;
  }
  EXPECT_EQ(checked("tinyint", "-128"), "-128");
  EXPECT_EQ(checked("tinyint", "128"), "-");
  EXPECT_EQ(checked("smallint", "32768"), "-");
  EXPECT_EQ(checked("bigint", "9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(checked("bigint", "9223372036854775808"), "-");
}

TEST(HivePartitionValue, Dates) {
  EXPECT_EQ(checked("date", "2024-02-29"), "2024-02-29");
  for (const char* const wrong :
       {"2023-02-29", "2024-13-01", "2024-1-1", "2024-01-01x", "today", ""}) {
    EXPECT_EQ(checked("date", wrong), "-") << wrong;
  }
  EXPECT_EQ(checked("timestamp", "2024-02-29 23:59:59"), "2024-02-29 23:59:59");
  EXPECT_EQ(checked("timestamp", "2024-02-29 23:59:59.123456789"), "2024-02-29 23:59:59.123456789");
  for (const char* const wrong : {"2024-02-29", "2024-02-29 24:00:00", "2024-02-29T00:00:00",
                                  "2024-02-29 00:00:00.", "2024-02-29 00:00:00.1234567890"}) {
    EXPECT_EQ(checked("timestamp", wrong), "-") << wrong;
  }
}

TEST(HivePartitionValue, OtherTypes) {
  EXPECT_EQ(checked("boolean", "TRUE"), "true");
  EXPECT_EQ(checked("boolean", "yes"), "-");
  EXPECT_EQ(checked("decimal(5,2)", "123.45"), "123.45");
  EXPECT_EQ(checked("decimal(5,2)", "-0.5"), "-0.5");
  for (const char* const wrong : {"1234.5", "1.234", "01", ".5", "1.", "1e3", ""}) {
    EXPECT_EQ(checked("decimal(5,2)", wrong), "-") << wrong;
  }
  EXPECT_EQ(checked("double", "1.5e3"), "1.5e3");
  EXPECT_EQ(checked("double", "nan"), "-");
  EXPECT_EQ(checked("double", "1x"), "-");
  EXPECT_EQ(checked("varchar(3)", "äöü"), "äöü");
  EXPECT_EQ(checked("varchar(3)", "abcd"), "-");
  EXPECT_EQ(checked("string", ""), "__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(checked("string", "\xff"), "-");
  EXPECT_EQ(checked("string", std::string("a\0b", 3)), "-");
  EXPECT_FALSE(PartitionColumn::make("c", "map<string,string>").ok());
  EXPECT_FALSE(PartitionColumn::make("c", "binary").ok());
}

TEST(HivePartitionValue, EscapesAsHive) {
  const std::string value =
      "a b%/:=\"#'*?\\{[]^\n\x7f"
      "é_.-}";
  std::string escaped;
  append_hive_escaped(escaped, value);
  EXPECT_EQ(escaped, "a b%25%2F%3A%3D%22%23%27%2A%3F%5C%7B%5B%5D%5E%0A%7Fé_.-}");
  EXPECT_EQ(partition_values("k=" + escaped + "/l=x"), (std::vector<std::string>{value, "x"}));
  EXPECT_EQ(partition_values("k=%"), (std::vector<std::string>{"%"}));
  EXPECT_TRUE(partition_values("").empty());
}

std::string columns_of(const std::string& text) {
  const auto patterns = parse_partition(text);
  if (!patterns) {
    EXPECT_EQ(patterns.error().kind, ErrorClass::config);
    return "-";
  }
  std::string out;
  for (const PartitionPattern& pattern : *patterns) {
    out += "[" + pattern.column + "]";
  }
  return out;
}

TEST(HivePartition, IsAListOrAPath) {
  EXPECT_EQ(columns_of(""), "");
  EXPECT_EQ(columns_of("%Y-%m-%d"), "[]");
  EXPECT_EQ(columns_of("asia,%{country},%H"), "[][][]");
  EXPECT_EQ(columns_of("DT=%Y-%m-%d/hr=%H"), "[dt][hr]");
  EXPECT_EQ(columns_of("dt=%Y-%m-%d,hr=%H"), "[dt][hr]");
  EXPECT_EQ(columns_of("%Y/%m/%d"), "[]");
  for (const char* const wrong : {"a,", ",a", "dt=a,b", "a,dt=b", "%Q", "%{x", "a//b", "dt="}) {
    EXPECT_EQ(columns_of(wrong), "-") << wrong;
  }
}

class HivePartitionNames : public testing::Test {
 protected:
  PartitionNames make(const std::string& partition,
                      const std::vector<std::pair<std::string, std::string>>& columns) {
    options_.files.time_zone = "UTC";
    std::vector<PartitionColumn> made;
    for (const auto& [name, type] : columns) {
      made.push_back(*PartitionColumn::make(name, type));
    }
    auto names = PartitionNames::make(options_, std::move(made), *parse_partition(partition));
    EXPECT_TRUE(names.ok());
    return std::move(*names);
  }

  static std::string directory(PartitionNames& names, const Headers& headers) {
    Events events;
    const Result<bool> moved = names.locate(events.add("", headers).batch()[0], 0);
    return moved ? std::string(names.directory()) : "-";
  }

  HiveOptions options_;
};

TEST_F(HivePartitionNames, AreMadeOfValues) {
  PartitionNames names = make("%Y-%m-%d,%H,%{c}", {{"dt", "date"}, {"hr", "int"}, {"c", "string"}});
  EXPECT_EQ(directory(names, {{"timestamp", "1709190245000"}, {"c", "a/b"}}),
            "dt=2024-02-29/hr=7/c=a%2Fb");
  EXPECT_EQ(names.prefix(), "FlumeData");
  EXPECT_EQ(directory(names, {{"timestamp", "1709190245000"}}),
            "dt=2024-02-29/hr=7/c=__HIVE_DEFAULT_PARTITION__");
  EXPECT_EQ(directory(names, {}), "-");
  EXPECT_EQ(directory(names, {{"timestamp", "1709190245000"}, {"c", ".."}}),
            "dt=2024-02-29/hr=7/c=..");
}

TEST_F(HivePartitionNames, TellWhetherTheBucketIsAnother) {
  PartitionNames names = make("%{c}", {{"c", "int"}});
  Events events;
  events.add("", {{"c", "7"}}).add("", {{"c", "07"}}).add("", {{"c", "x"}}).add("", {{"c", "7"}});
  const Batch& batch = events.batch();
  EXPECT_TRUE(*names.locate(batch[0], 0));
  EXPECT_FALSE(*names.locate(batch[1], 0));
  EXPECT_FALSE(names.locate(batch[2], 0).ok());
  EXPECT_TRUE(names.locate(batch[3], 0).ok());
  EXPECT_EQ(names.directory(), "c=7");
}

TEST_F(HivePartitionNames, AreNoLongerThanADirectory) {
  PartitionNames names = make("%{c}", {{"c", "string"}});
  EXPECT_NE(directory(names, {{"c", std::string(253, 'x')}}), "-");
  EXPECT_EQ(directory(names, {{"c", std::string(254, 'x')}}), "-");
}

TEST_F(HivePartitionNames, ATableWithoutPartitionsIsOneDirectory) {
  PartitionNames names = make("", {});
  EXPECT_TRUE(names.is_constant());
  EXPECT_EQ(directory(names, {}), "");
}

}  // namespace
}  // namespace fl
