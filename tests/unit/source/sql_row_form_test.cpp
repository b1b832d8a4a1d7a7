#include "tools/fl-source/sql/row_form.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace fl {
namespace {

using Values = std::vector<std::optional<std::string>>;

std::string written(const RowForm& form, const Values& values) {
  std::vector<SqlValue> row;
  for (const auto& value : values) {
    row.push_back(value ? SqlValue{value->data(), value->size()} : SqlValue{});
  }
  std::string out;
  form.append(out, row.data());
  return out;
}

std::string json(SqlKind kind, const std::string& value) {
  const RowForm form({{"c", kind}}, RowForm::Style::json, '\t');
  const std::string row = written(form, {value});
  EXPECT_EQ(row.substr(0, 5), "{\"c\":");
  return row.substr(5, row.size() - 6);
}

std::string text(SqlKind kind, const std::string& value, char separator = '\t') {
  return written(RowForm({{"c", kind}}, RowForm::Style::text, separator), {value});
}

TEST(RowForm, RowsOfSeveralColumns) {
  const std::vector<SqlColumn> columns = {
      {"id", SqlKind::integer}, {"a \"b\"", SqlKind::text}, {"z", SqlKind::bytes}};
  const RowForm as_json(columns, RowForm::Style::json, '\t');
  EXPECT_EQ(written(as_json, {"7", "x", std::string("\xff\0", 2)}),
            R"({"id":7,"a \"b\"":"x","z":"/wA="})");
  EXPECT_EQ(written(as_json, {std::nullopt, std::nullopt, ""}),
            R"({"id":null,"a \"b\"":null,"z":""})");
  const RowForm as_text(columns, RowForm::Style::text, ',');
  EXPECT_EQ(written(as_text, {"7", "x,y", std::string("\xff\0", 2)}), "7,x\\,y,/wA=");
  EXPECT_EQ(written(as_text, {std::nullopt, "", "\\N"}), "\\N,,XE4=");
}

TEST(RowForm, NumbersOfJson) {
  for (const auto& [value, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"0", "0"},
           {"-0", "-0"},
           {"18446744073709551615", "18446744073709551615"},
           {"000042", "42"},
           {"0000", "0"},
           {"00001.50", "1.50"},
           {"0.5", "0.5"},
           {"000.5", "0.5"},
           {"1e300", "1e300"},
           {"-1.5e-7", "-1.5e-7"},
           // What is not a number must not break the object.
           {"", "\"\""},
           {"1,5", "\"1,5\""},
           {"nan", "\"nan\""},
           {"0x1", "\"0x1\""},
           {"1.", "\"1.\""},
           {"-", "\"-\""},
           {"1e", "\"1e\""},
           {"-00.5", "\"-00.5\""},
           {"1\",\"x\":2", "\"1\\\",\\\"x\\\":2\""}}) {
    EXPECT_EQ(json(SqlKind::number, value), wanted) << value;
    EXPECT_EQ(json(SqlKind::integer, value), wanted) << value;
  }
  EXPECT_EQ(json(SqlKind::decimal, "12.500"), "\"12.500\"");
}

TEST(RowForm, FloatsHaveTheirShortestDigits) {
  EXPECT_EQ(json(SqlKind::single, "0.10000000149011612"), "0.1");
  EXPECT_EQ(json(SqlKind::single, "16777216"), "16777216");
  EXPECT_EQ(json(SqlKind::single, "3.4028234663852886e38"), "3.4028235e+38");
  EXPECT_EQ(json(SqlKind::single, "1.401298464324817e-45"), "1e-45");
  EXPECT_EQ(text(SqlKind::single, "0.10000000149011612"), "0.1");
  // Not a float: it stays as it is.
  EXPECT_EQ(json(SqlKind::single, "0.1"), "0.1");
  EXPECT_EQ(json(SqlKind::single, "0.12345678901234"), "0.12345678901234");
  EXPECT_EQ(json(SqlKind::single, "1e999"), "1e999");
  EXPECT_EQ(json(SqlKind::single, "x"), "\"x\"");
}

TEST(RowForm, BitsAreANumber) {
  EXPECT_EQ(json(SqlKind::bit, std::string("\x00", 1)), "0");
  EXPECT_EQ(json(SqlKind::bit, "\x01\x01"), "257");
  EXPECT_EQ(json(SqlKind::bit, std::string(8, '\xff')), "18446744073709551615");
  EXPECT_EQ(text(SqlKind::bit, "\x01\x01"), "257");
}

TEST(RowForm, StringsOfJson) {
  EXPECT_EQ(json(SqlKind::text, "a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(json(SqlKind::text, std::string("\0\x01\x1f\x7f", 4)), "\"\\u0000\\u0001\\u001f\x7f\"");
  EXPECT_EQ(json(SqlKind::text, "äö€😀"), "\"äö€😀\"");
  EXPECT_EQ(json(SqlKind::text, "a\xff\xc3z\xe2\x82"),
            "\"a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(RowForm, EveryByteOfTextComesBack) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
  }
  for (const char separator : {'\t', ',', '\x01', ' '}) {
    const std::string row = text(SqlKind::text, all, separator);
    EXPECT_EQ(row.find('\n'), std::string::npos);
    std::string back;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i] != '\\') {
        EXPECT_NE(row[i], separator);
        back += row[i];
        continue;
      }
      const char next = row[++i];
      back += next == 'n'   ? '\n'
              : next == 'r' ? '\r'
              : next == 't' ? '\t'
              : next == '0' ? '\0'
                            : next;
    }
    EXPECT_EQ(back, all);
  }
}

TEST(RowForm, AShortRowIsJsonWithoutLongValues) {
  const RowForm form({{"id", SqlKind::integer}, {"t", SqlKind::text}, {"u", SqlKind::text}},
                     RowForm::Style::text, '\t');
  const std::string value(11, 'x');
  const SqlValue row[] = {{"5", 1}, {value.data(), value.size()}, {}};
  std::string out;
  form.append_short(out, row, 10);
  EXPECT_EQ(out, R"({"id":5,"u":null})");
}

}  // namespace
}  // namespace fl
