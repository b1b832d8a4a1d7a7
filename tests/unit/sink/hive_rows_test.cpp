// Bodies as rows of a table.
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/sink/hdfs_test_help.h"
#include "tools/fl-sink/hive/delimited_rows.h"
#include "tools/fl-sink/hive/json_rows.h"

namespace fl {
namespace {

std::string row_of(RowForm& rows, const std::string& body) {
  Events events;
  const Status formed = rows.form(events.add(body).batch()[0]);
  if (!formed) {
    EXPECT_EQ(formed.error().kind, ErrorClass::input);
    return "refused";
  }
  return std::string(rows.row());
}

DelimitedTable three_columns() {
  DelimitedTable table;
  table.delimiter = ",";
  table.fields = {0, 1, 2};
  table.is_plain = {true, true, true};
  table.separator = '|';
  return table;
}

TEST(DelimitedRows, FieldsBecomeColumns) {
  DelimitedRows rows(three_columns());
  EXPECT_EQ(row_of(rows, "a,b,c"), "a|b|c");
  EXPECT_EQ(row_of(rows, "a,,c"), "a||c");
  EXPECT_EQ(row_of(rows, "a,\\N,c"), "a|\\N|c");
  EXPECT_EQ(row_of(rows, "a"), "a|\\N|\\N");
  EXPECT_EQ(row_of(rows, ""), "|\\N|\\N");
  EXPECT_EQ(row_of(rows, "a,b,c,d,e"), "a|b|c");
  EXPECT_EQ(row_of(rows, "a,b,c\r\n"), "a|b|c");
}

TEST(DelimitedRows, FieldsInAnotherOrderAndWithHoles) {
  DelimitedTable table = three_columns();
  table.delimiter = "::";
  table.fields = {2, -1, 0};
  table.null = "NULL";
  DelimitedRows rows(table);
  EXPECT_EQ(row_of(rows, "a::b::c::d"), "c|NULL|a");
  EXPECT_EQ(row_of(rows, "a:b"), "NULL|NULL|a:b");
}

TEST(DelimitedRows, WhatTheTableCannotHoldIsRefused) {
  DelimitedRows rows(three_columns());
  EXPECT_EQ(row_of(rows, "a|b,c"), "refused");
  EXPECT_EQ(row_of(rows, "a\nb,c"), "refused");
  EXPECT_EQ(row_of(rows, "a\rb,c"), "refused");
  EXPECT_EQ(row_of(rows, "a\\b,c"), "a\\b|c|\\N");
}

TEST(DelimitedRows, EscapesHoldEverything) {
  DelimitedTable table = three_columns();
  table.escape = '\\';
  DelimitedRows rows(table);
  EXPECT_EQ(row_of(rows, "a|b,c\\d\n\re,\\N"), "a\\|b|c\\\\d\\n\\re|\\N");
  EXPECT_EQ(row_of(rows, "\\Nx"), "\\\\Nx|\\N|\\N");
}

TEST(DelimitedRows, ListsAreTakenAsTheyAre) {
  DelimitedTable table = three_columns();
  table.escape = '\\';
  table.is_plain[2] = false;
  DelimitedRows rows(table);
  EXPECT_EQ(row_of(rows, "a,b,x\\:y\2z"), "a|b|x\\:y\2z");
  EXPECT_EQ(row_of(rows, "a,b,x|y"), "refused");
  EXPECT_EQ(row_of(rows, "a,b,x\ny"), "refused");
}

TEST(DelimitedRows, Delimiters) {
  const auto parsed = [](const std::string& text) {
    const auto delimiter = parse_delimiter(text);
    return delimiter ? *delimiter : std::string("refused");
  };
  EXPECT_EQ(parsed(","), ",");
  EXPECT_EQ(parsed("\"\\t\""), "\t");
  EXPECT_EQ(parsed("'\\t'"), "\t");
  EXPECT_EQ(parsed("\\001"), "\1");
  EXPECT_EQ(parsed("\\u0001x"), "\1x");
  EXPECT_EQ(parsed("\\\\"), "\\");
  EXPECT_EQ(parsed("\\"), "\\");
  EXPECT_EQ(parsed("\""), "\"");
  for (const char* const wrong : {"", "\"\"", "\\q", "\\u12", "\\uzzzz", "\\u00e9", "\n"}) {
    EXPECT_EQ(parsed(wrong), "refused") << wrong;
  }
}

TEST(JsonRows, AreObjectsOnOneLine) {
  JsonRows rows;
  EXPECT_EQ(row_of(rows, R"({"a":1,"b":{"c":["x\n"]}})"), R"({"a":1,"b":{"c":["x\n"]}})");
  EXPECT_EQ(row_of(rows, "{\n  \"a\": 1\r\n}\n"), "{   \"a\": 1  } ");
  for (const char* const wrong : {"", "1", "[{}]", "{", "{\"a\":1}{\"b\":2}", "null", "{a:1}"}) {
    EXPECT_EQ(row_of(rows, wrong), "refused") << wrong;
  }
}

}  // namespace
}  // namespace fl
