// Rows as data of Avro, to the byte; tests/peers/mariadb has other readers read them.
#include "tools/fl-source/sql/avro_row.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/event/varint.h"
#include "tests/support/temp_dir.h"
#include "tools/fl-source/sql/avro_head.h"

namespace fl {
namespace {

using Values = std::vector<std::optional<std::string>>;

AvroRow made(const std::vector<SqlColumn>& columns) {
  Result<AvroRow> row = AvroRow::make(columns, "shop", "orders");
  EXPECT_TRUE(row);
  return std::move(*row);
}

SqlColumn column(SqlKind kind, unsigned bits = 64) {
  SqlColumn made{"c", kind};
  made.is_nullable = false;
  made.bits = bits;
  return made;
}

SqlColumn decimal(unsigned digits, unsigned scale) {
  SqlColumn made = column(SqlKind::decimal);
  made.digits = digits;
  made.scale = scale;
  return made;
}

Status append(const AvroRow& row, std::string& out, const Values& values) {
  std::vector<SqlValue> all;
  for (const auto& value : values) {
    all.push_back(value ? SqlValue{value->data(), value->size()} : SqlValue{});
  }
  return row.append(out, all.data());
}

// The datum of a row with one value; nothing: it has none.
std::optional<std::string> datum(const SqlColumn& of, const std::string& value) {
  std::string out;
  const Status status = append(made({of}), out, {value});
  if (!status) {
    EXPECT_EQ(status.error().kind, ErrorClass::input);
  }
  return status ? std::optional(out) : std::nullopt;
}

std::string integer(std::int64_t value) {
  std::string out;
  append_varint(out, value);
  return out;
}

std::string sized(const std::string& bytes) {
  std::string out;
  append_sized(out, bytes);
  return out;
}

std::string unhex(std::string_view hex) {
  std::string out;
  for (; hex.size() >= 2; hex.remove_prefix(2)) {
    out += static_cast<char>(std::stoi(std::string(hex.substr(0, 2)), nullptr, 16));
  }
  return out;
}

std::string type_of(const SqlColumn& of) {
  const std::string schema = made({of}).schema();
  const std::string before =
      R"({"type":"record","name":"orders","namespace":"shop","fields":[{"name":"c","type":)";
  EXPECT_TRUE(schema.starts_with(before)) << schema;
  return schema.substr(before.size(), schema.size() - before.size() - 3);
}

TEST(AvroRow, AColumnThatMayBeNullIsAUnion) {
  SqlColumn id{"id", SqlKind::integer};
  id.is_nullable = false;
  id.bits = 32;
  const AvroRow row = made({id, {"note", SqlKind::text}});
  EXPECT_EQ(row.schema(), R"({"type":"record","name":"orders","namespace":"shop","fields":[)"
                          R"({"name":"id","type":"int"},)"
                          R"({"name":"note","type":["null","string"],"default":null}]})");
  std::string out;
  ASSERT_TRUE(append(row, out, {"7", "x"}).ok());
  EXPECT_EQ(out, integer(7) + integer(1) + sized("x"));
  out.clear();
  ASSERT_TRUE(append(row, out, {"-1", std::nullopt}).ok());
  EXPECT_EQ(out, integer(-1) + integer(0));
  const Status status = append(row, out, {std::nullopt, "x"});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorClass::input);
}

TEST(AvroRow, EachColumnHasTheTypeOfItsValues) {
  const std::string wide = R"({"type":"bytes","logicalType":"decimal","precision":20,"scale":0})";
  EXPECT_EQ(type_of(column(SqlKind::integer, 8)), "\"int\"");
  EXPECT_EQ(type_of(column(SqlKind::integer, 32)), "\"int\"");
  EXPECT_EQ(type_of(column(SqlKind::integer, 33)), "\"long\"");
  EXPECT_EQ(type_of(column(SqlKind::integer, 64)), "\"long\"");
  EXPECT_EQ(type_of(column(SqlKind::integer, 65)), wide);
  EXPECT_EQ(type_of(column(SqlKind::bit, 2)), "\"long\"");
  EXPECT_EQ(type_of(column(SqlKind::bit, 64)), "\"long\"");
  EXPECT_EQ(type_of(column(SqlKind::bit, 65)), wide);
  EXPECT_EQ(type_of(column(SqlKind::number)), "\"double\"");
  EXPECT_EQ(type_of(column(SqlKind::number, 32)), "\"float\"");
  EXPECT_EQ(type_of(column(SqlKind::single)), "\"float\"");
  EXPECT_EQ(type_of(decimal(5, 2)),
            R"({"type":"bytes","logicalType":"decimal","precision":5,"scale":2})");
  EXPECT_EQ(type_of(column(SqlKind::date)), R"({"type":"int","logicalType":"date"})");
  EXPECT_EQ(type_of(column(SqlKind::datetime)),
            R"({"type":"long","logicalType":"local-timestamp-micros"})");
  EXPECT_EQ(type_of(column(SqlKind::timestamp)),
            R"({"type":"long","logicalType":"timestamp-micros"})");
  EXPECT_EQ(type_of(column(SqlKind::text)), "\"string\"");
  EXPECT_EQ(type_of(column(SqlKind::bytes)), "\"bytes\"");
}

TEST(AvroRow, Integers) {
  const SqlColumn small = column(SqlKind::integer, 32);
  const SqlColumn large = column(SqlKind::integer, 64);
  EXPECT_EQ(datum(small, "-2147483648"), integer(INT32_MIN));
  EXPECT_EQ(datum(small, "000042"), integer(42));
  EXPECT_EQ(datum(small, "2147483648"), std::nullopt);
  EXPECT_EQ(datum(large, "-9223372036854775808"), integer(INT64_MIN));
  EXPECT_EQ(datum(large, "9223372036854775807"), integer(INT64_MAX));
  for (const char* const bad : {"9223372036854775808", "", "1x", "+1", " 1", "1.0"}) {
    EXPECT_EQ(datum(large, bad), std::nullopt) << bad;
  }
  EXPECT_EQ(datum(column(SqlKind::integer, 65), "18446744073709551615"),
            sized(unhex("00ffffffffffffffff")));
  EXPECT_EQ(datum(column(SqlKind::bit, 64), std::string("\x7f") + std::string(7, '\xff')),
            integer(INT64_MAX));
  EXPECT_EQ(datum(column(SqlKind::bit, 65), std::string(8, '\xff')),
            sized(unhex("00ffffffffffffffff")));
}

TEST(AvroRow, Decimals) {
  for (const auto& [value, hex] :
       std::vector<std::pair<std::string, std::string>>{{"0.00", "00"},
                                                        {"-0.00", "00"},
                                                        {"0.01", "01"},
                                                        {"-0.01", "ff"},
                                                        {"1.27", "7f"},
                                                        {"1.28", "0080"},
                                                        {"-1.28", "80"},
                                                        {"-1.29", "ff7f"},
                                                        {"-12.50", "fb1e"},
                                                        {"00012.50", "04e2"},
                                                        {"12.5", "04e2"},
                                                        {"12", "04b0"},
                                                        {"12.500", "04e2"},
                                                        {"999.99", "01869f"}}) {
    EXPECT_EQ(datum(decimal(5, 2), value), sized(unhex(hex))) << value;
  }
  for (const char* const bad : {"", "-", ".", "12.501", "1000.00", "1e3", "1,5", "1.2.3", "--1"}) {
    EXPECT_EQ(datum(decimal(5, 2), bad), std::nullopt) << bad;
  }
  const std::string nines(35, '9');
  EXPECT_EQ(datum(decimal(65, 30), nines + "." + nines.substr(5)),
            sized(unhex("00f316271c7fc3908a8bef464e3945ef7a253609ffffffffffffffff")));
  EXPECT_EQ(datum(decimal(65, 30), "-" + nines + "." + nines.substr(5)),
            sized(unhex("ff0ce9d8e3803c6f757410b9b1c6ba1085dac9f60000000000000001")));
}

TEST(AvroRow, FloatingNumbers) {
  EXPECT_EQ(datum(column(SqlKind::single), "0.10000000149011612"), unhex("cdcccc3d"));
  EXPECT_EQ(datum(column(SqlKind::single), "1.401298464324817e-45"), unhex("01000000"));
  EXPECT_EQ(datum(column(SqlKind::number), "0.1"), unhex("9a9999999999b93f"));
  EXPECT_EQ(datum(column(SqlKind::number), "00001.50"), unhex("000000000000f83f"));
  EXPECT_EQ(datum(column(SqlKind::number), "5e-324"), unhex("0100000000000000"));
  EXPECT_EQ(datum(column(SqlKind::number), "1.7976931348623157e308"), unhex("ffffffffffffef7f"));
  EXPECT_EQ(datum(column(SqlKind::number), "-0"), unhex("0000000000000080"));
  for (const char* const bad : {"", "x", "1e999", "1,5"}) {
    EXPECT_EQ(datum(column(SqlKind::number), bad), std::nullopt) << bad;
  }
}

TEST(AvroRow, Dates) {
  for (const auto& [value, days] :
       std::vector<std::pair<std::string, std::int64_t>>{{"1970-01-01", 0},
                                                         {"1969-12-31", -1},
                                                         {"2024-02-29", 19782},
                                                         {"1000-01-01", -354285},
                                                         {"0001-01-01", -719162},
                                                         {"0000-01-01", -719528},
                                                         {"9999-12-31", 2932896}}) {
    EXPECT_EQ(datum(column(SqlKind::date), value), integer(days)) << value;
  }
  for (const char* const bad :
       {"0000-00-00", "2024-00-10", "2024-01-00", "2023-02-29", "1900-02-29", "2024-13-01",
        "2024-04-31", "2024-1-1", "24-01-01", "2024-01-01 00:00:00", "2024-01-01x", ""}) {
    EXPECT_EQ(datum(column(SqlKind::date), bad), std::nullopt) << bad;
  }
}

TEST(AvroRow, DatesWithATime) {
  for (const SqlKind kind : {SqlKind::datetime, SqlKind::timestamp}) {
    for (const auto& [value, micros] : std::vector<std::pair<std::string, std::int64_t>>{
             {"1970-01-01 00:00:00", 0},
             {"1970-01-01 00:00:00.001", 1000},
             {"1969-12-31 23:59:59.999999", -1},
             {"1970-01-02 01:02:03.5", 90'123'500'000},
             {"9999-12-31 23:59:59.999999", 253'402'300'799'999'999}}) {
      EXPECT_EQ(datum(column(kind), value), integer(micros)) << value;
    }
    for (const char* const bad :
         {"0000-00-00 00:00:00", "2024-00-10 01:02:03", "2024-01-01", "2024-01-01 24:00:00",
          "2024-01-01 00:60:00", "2024-01-01 00:00:60", "2024-01-01 00:00:00.",
          "2024-01-01 00:00:00.1234567", "2024-01-01T00:00:00", "2024-01-01 00:00:00 "}) {
      EXPECT_EQ(datum(column(kind), bad), std::nullopt) << bad;
    }
  }
}

TEST(AvroRow, TextAndBytes) {
  EXPECT_EQ(datum(column(SqlKind::text), "-838:59:59.999999"), sized("-838:59:59.999999"));
  EXPECT_EQ(datum(column(SqlKind::text), "äöü€😀"), sized("äöü€😀"));
  EXPECT_EQ(datum(column(SqlKind::text), "a\xff\xc3z"), sized("a\xef\xbf\xbd\xef\xbf\xbdz"));
  const std::string bytes("\0\xff\xfe", 3);
  EXPECT_EQ(datum(column(SqlKind::bytes), bytes), sized(bytes));
}

TEST(AvroRow, WhatHasNoValueSaysWhatToDo) {
  std::string out;
  const Status status =
      append(made({{"id", SqlKind::integer}, {"due", SqlKind::date}}), out, {"1", "0000-00-00"});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "'0000-00-00' in 'due' is not a date of the calendar");
  EXPECT_EQ(status.error().hint,
            "use --format json, or CAST(due AS CHAR) in --query, or let --reject FILE keep such "
            "rows");
}

TEST(AvroRow, NamesBecomeLegal) {
  Result<AvroRow> row =
      AvroRow::make({{"a-b c", SqlKind::text}, {"1st", SqlKind::text}, {"größe\"", SqlKind::text}},
                    "my-shop", "2024 orders");
  ASSERT_TRUE(row);
  EXPECT_EQ(row->name(), "my_shop._2024_orders");
  for (const char* const part : {R"("name":"_2024_orders","namespace":"my_shop")",
                                 R"("name":"a_b_c")", R"("columnName":"a-b c")", R"("name":"_1st")",
                                 R"("name":"gr__e_")", R"("columnName":"größe\"")"}) {
    EXPECT_NE(row->schema().find(part), std::string::npos) << part << "\n" << row->schema();
  }
  // The names of types are not those of records.
  EXPECT_EQ(AvroRow::make({}, "d", "int")->name(), "d.int_");
  EXPECT_EQ(AvroRow::make({}, "d", "record")->name(), "d.record_");
  EXPECT_EQ(AvroRow::make({}, "", "")->name(), "_._");
}

TEST(AvroRow, TwoColumnsWithOneNameAreRefused) {
  for (const auto& [one, other] : std::vector<std::pair<std::string, std::string>>{
           {"a b", "a-b"}, {"id", "id"}, {"1", "_1"}, {"", "?"}}) {
    const auto row = AvroRow::make({{one, SqlKind::text}, {other, SqlKind::text}}, "d", "t");
    ASSERT_FALSE(row) << one;
    EXPECT_EQ(row.error().kind, ErrorClass::config);
    EXPECT_NE(row.error().hint.find("AS"), std::string::npos);
  }
  EXPECT_TRUE(AvroRow::make({{"a", SqlKind::text}, {"A", SqlKind::text}}, "d", "t"));
}

// ---------------------------------------------------------------- headers

std::vector<SqlColumn> many(std::size_t count) {
  std::vector<SqlColumn> columns;
  for (std::size_t i = 0; i < count; ++i) {
    columns.push_back({"a_rather_long_name_" + std::to_string(i), SqlKind::text});
  }
  return columns;
}

std::string one_header(const std::string& name, const std::string& value) {
  std::string map;
  append_map(map, {{name, value}});
  return map;
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(AvroHead, TheSchemaIsInAHeader) {
  const AvroRow row = made(many(3));
  const auto head = avro_head(row, "", {}, false);
  ASSERT_TRUE(head);
  EXPECT_EQ(*head, one_header("flume.avro.schema.literal", row.schema()));
}

TEST(AvroHead, ASchemaThatIsTooLongForAHeaderIsRefused) {
  const AvroRow row = made(many(60));
  const auto size = static_cast<std::uint32_t>(row.schema().size());
  ASSERT_GT(size, EventLimits().value_bytes);
  const auto head = avro_head(row, "", {}, false);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().kind, ErrorClass::config);
  EXPECT_NE(head.error().message.find("shop.orders"), std::string::npos);
  EXPECT_NE(head.error().hint.find("--query"), std::string::npos);
  EventLimits limits;
  limits.value_bytes = size;
  EXPECT_TRUE(avro_head(row, "", limits, false));
  limits.value_bytes = size - 1;
  EXPECT_FALSE(avro_head(row, "", limits, false));
}

TEST(AvroHead, ASchemaDirectoryHasAFileForEachSchema) {
  const TempDir dir;
  const AvroRow row = made(many(60));
  EXPECT_TRUE(avro_head(row, dir.path(), {}, true));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  for (int run = 0; run < 2; ++run) {
    const auto head = avro_head(row, dir.path(), {}, false);
    ASSERT_TRUE(head);
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
      paths.push_back(entry.path());
    }
    ASSERT_EQ(paths.size(), 1U);
    EXPECT_TRUE(paths[0].starts_with(dir.path() + "/shop.orders-"));
    EXPECT_TRUE(paths[0].ends_with(".avsc"));
    EXPECT_EQ(contents(paths[0]), row.schema());
    EXPECT_EQ(*head, one_header("flume.avro.schema.url", "file://" + paths[0]));
  }
  ASSERT_TRUE(avro_head(made(many(61)), dir.path(), {}, false));
  const auto entries = std::filesystem::directory_iterator(dir.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 2);
}

TEST(AvroHead, AFileWithOtherContentsIsNotTouched) {
  const TempDir dir;
  const AvroRow row = made(many(2));
  ASSERT_TRUE(avro_head(row, dir.path(), {}, false));
  const std::string path = std::filesystem::directory_iterator(dir.path())->path();
  std::ofstream(path) << "mine";
  const auto head = avro_head(row, dir.path(), {}, false);
  ASSERT_FALSE(head);
  EXPECT_EQ(head.error().kind, ErrorClass::config);
  EXPECT_EQ(contents(path), "mine");
  EXPECT_EQ(avro_head(row, dir.path() + "/missing", {}, false).error().kind, ErrorClass::config);
}

}  // namespace
}  // namespace fl
