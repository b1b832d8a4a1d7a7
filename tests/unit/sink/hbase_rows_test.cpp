// Rows of the hbase sink: by the rules of Flume's serializers, and as bytes for the gateway.
#include <gtest/gtest.h>

#include "tools/fl-sink/hbase/answers.h"
#include "tools/fl-sink/hbase/cell_set.h"
#include "tools/fl-sink/hbase/row_maker.h"

namespace fl {
namespace {

using std::string_literals::operator""s;  // NOLINT(misc-unused-using-decls): it is used

Event event_of(std::string& bytes, const Headers& headers, std::string_view body) {
  bytes.clear();
  append_event(bytes, headers, body);
  Event event;
  const char* why = nullptr;
  const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  EXPECT_NE(scan_event(p, p + bytes.size(), {}, event, why), nullptr) << why;
  return event;
}

TEST(HBaseCellSet, ARowIsTheBytesOfItsMessage) {
  std::string out;
  append_hbase_row(out, {"k", 300, {{"f:c", "v"}}});
  EXPECT_EQ(out,
            "\x0A\x10\x0A\x01k\x12\x0B\x12\x03"
            "f:c\x18\xAC\x02\x22\x01v"s);
}

TEST(HBaseCellSet, LengthsAbove127HaveTwoBytes) {
  std::string out;
  append_hbase_row(out, {"k", 0, {{"f:c", std::string(200, 'v')}}});
  EXPECT_EQ(out.substr(0, 18),
            "\x0A\xD8\x01\x0A\x01k\x12\xD2\x01\x12\x03"
            "f:c\x18\x00\x22\xC8"s);
  EXPECT_EQ(out.size(), 3U + 0xD8);
}

TEST(HBaseCellSet, TheCheckOfAnAbsentCellIsLastWithoutDataAndTime) {
  std::string out;
  append_hbase_absent_check(out, {"k", 1, {{"f:c", "v"}, {"f:d", ""}}});
  EXPECT_EQ(out.substr(out.size() - 9),
            "\x12\x07\x12\x03"
            "f:c\x22\x00"s);
}

TEST(HBaseCellSet, TheIdleCheckIsOfACellThatNobodyHas) {
  std::string first;
  std::string second;
  append_hbase_idle_check(first, "f");
  append_hbase_idle_check(second, "f");
  EXPECT_EQ(first.size(), second.size());
  EXPECT_NE(first, second);
  // The new cell and the condition are the same: column and value.
  const std::size_t cell = first.rfind('\x12');
  const std::size_t last = first.rfind('\x12', cell - 1);
  EXPECT_EQ(first.substr(2 * last - first.size(), first.size() - last), first.substr(last));
}

TEST(HBaseCellSet, AnIncrementIsDecimalText) {
  std::string out;
  append_hbase_increment(out, "k", "f:n", 1234);
  EXPECT_EQ(out,
            "\x0A\x10\x0A\x01k\x12\x0B\x12\x03"
            "f:n\x22\x04"
            "1234"s);
}

TEST(HBaseComplaint, WhatHBaseRefuses) {
  const HBaseRow good{"k", 0, {{"f:", "v"}}};
  EXPECT_EQ(hbase_complaint(good, 100), std::nullopt);
  HBaseRow row = good;
  row.key = "";
  EXPECT_TRUE(hbase_complaint(row, 0));
  row.key = std::string(32'767, 'k');
  EXPECT_FALSE(hbase_complaint(row, 0));
  row.key += 'k';
  EXPECT_TRUE(hbase_complaint(row, 0));
  row = good;
  row.timestamp_ms = -1;
  EXPECT_TRUE(hbase_complaint(row, 0));
  row = good;
  row.cells.clear();
  EXPECT_TRUE(hbase_complaint(row, 0));
  row = good;
  row.cells[0].column = "f";
  EXPECT_TRUE(hbase_complaint(row, 0));
  row = good;
  row.cells[0].data = std::string(78, 'v');
  EXPECT_FALSE(hbase_complaint(row, 100));
  row.cells[0].data += 'v';
  EXPECT_TRUE(hbase_complaint(row, 100));
  EXPECT_FALSE(hbase_complaint(row, 0));
}

TEST(HBaseRowMaker, AKeyOfItsOwnForEachEvent) {
  HBaseRowOptions options;
  options.column_family = "f";
  options.serializer = "regex";
  HBaseRowMaker maker(options);
  ASSERT_TRUE(maker.open().ok());
  std::string bytes;
  HBaseRow first;
  HBaseRow second;
  const Event event = event_of(bytes, {{"timestamp", "7"}}, "body");
  ASSERT_TRUE(maker.make(event, 1'700'000'000'000, first).ok());
  ASSERT_TRUE(maker.make(event, 1'700'000'000'000, second).ok());
  EXPECT_TRUE(first.key.starts_with("1700000000000-") && first.key.ends_with("-0")) << first.key;
  EXPECT_TRUE(second.key.ends_with("-1")) << second.key;
  EXPECT_EQ(first.timestamp_ms, 7);
  EXPECT_EQ(first.cells[0].column, "f:payload");
}

TEST(HBaseRowMaker, NamesAtTheEndThatAreEmptyDoNotCount) {
  HBaseRowOptions options;
  options.column_family = "f";
  options.serializer = "regex";
  options.regex = "(.)(.)";
  options.column_names = "a,,";
  EXPECT_FALSE(HBaseRowMaker(options).open().ok());
  options.column_names = ",b";
  HBaseRowMaker maker(options);
  ASSERT_TRUE(maker.open().ok());
  std::string bytes;
  HBaseRow row;
  ASSERT_TRUE(maker.make(event_of(bytes, {}, "12"), 1, row).ok());
  EXPECT_EQ(row.cells[0].column, "f:");
  EXPECT_EQ(row.cells[1].column, "f:b");
  EXPECT_FALSE(maker.make(event_of(bytes, {}, "123"), 1, row).ok());
}

TEST(HBaseAnswers, ALongStackTraceIsNotSaid) {
  PostOutcome outcome;
  outcome.status = 400;
  outcome.text = "Bad request  java.lang.IllegalArgumentException: KeyValue size too large " +
                 std::string(1000, 'x') + "  at org.apache";
  const Error error = hbase_error(outcome, "http://gw", "t", "f");
  EXPECT_EQ(error.kind, ErrorClass::input);
  EXPECT_LT(error.message.size(), 300U);
  EXPECT_NE(error.message.find("KeyValue size too large"), std::string::npos);
}

}  // namespace
}  // namespace fl
