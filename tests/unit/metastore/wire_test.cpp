// The bytes of requests, as a metastore took them, and how answers are read.
#include "common/metastore/wire.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace fl {
namespace {

std::string from_hex(std::string_view hex) {
  std::string out;
  std::string digits;
  for (const char c : hex) {
    if (c != ' ') {
      digits += c;
    }
    if (digits.size() == 2) {
      out += static_cast<char>(std::stoi(digits, nullptr, 16));
      digits.clear();
    }
  }
  return out;
}

std::string number(std::size_t value, int bytes) {
  std::string out;
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>((value >> shift) & 0xFF);
  }
  return out;
}

std::string text(std::string_view value) { return number(value.size(), 4) + std::string(value); }
std::string field(int type, std::size_t id) {
  return number(static_cast<std::size_t>(type), 1) + number(id, 2);
}
std::string reply(std::string_view name, const std::string& body, int kind = 2) {
  return number(0x80010000u + static_cast<unsigned>(kind), 4) + text(name) + number(7, 4) + body;
}

// Hands out `answer` a few bytes at a time.
MetastoreBytes bytes_of(const std::string& answer, std::size_t step = 5) {
  return [&answer, step, at = std::size_t{0}](char* to, std::size_t size) mutable {
    const std::size_t n = std::min({size, step, answer.size() - at});
    answer.copy(to, n, at);
    at += n;
    return n;
  };
}

constexpr int kString = 11;
constexpr int kStruct = 12;
constexpr int kList = 15;
constexpr int kMap = 13;

std::string column(std::string_view name, std::string_view type) {
  return field(kString, 1) + text(name) + field(kString, 2) + text(type) + number(0, 1);
}

std::string a_table() {
  const std::string storage =
      field(kList, 1) + number(kStruct, 1) + number(1, 4) + column("id", "int") +
      field(kString, 2) + text("file:/w/t") + field(kString, 3) + text("In") + field(kString, 4) +
      text("Out") + field(2, 5) + number(0, 1) + field(8, 6) + number(0xFFFFFFFF, 4) +
      field(kStruct, 7) + field(kString, 2) + text("Serde") + field(kMap, 3) + number(kString, 1) +
      number(kString, 1) + number(1, 4) + text("field.delim") + text(",") + number(0, 1) +
      field(kList, 9) + number(kStruct, 1) + number(0, 4) + field(kMap, 10) + number(kString, 1) +
      number(kString, 1) + number(0, 4) +
      // Skewed columns, which nobody reads.
      field(kStruct, 11) + field(kList, 1) + number(kString, 1) + number(1, 4) + text("id") +
      number(0, 1) + number(0, 1);
  return field(kString, 1) + text("t") + field(kString, 2) + text("d") + field(10, 99) +
         number(1, 8) + field(kStruct, 7) + storage + field(kList, 8) + number(kStruct, 1) +
         number(1, 4) + column("dt", "string") + field(kMap, 9) + number(kString, 1) +
         number(kString, 1) + number(1, 4) + text("EXTERNAL") + text("TRUE") + field(kString, 12) +
         text("EXTERNAL_TABLE") + number(0, 1);
}

std::string table_answer() {
  return reply("get_table_req",
               field(kStruct, 0) + field(kStruct, 1) + a_table() + number(0, 1) + number(0, 1));
}

TEST(MetastoreWire, ARequestForATable) {
  EXPECT_EQ(encode_get_table(7, "d", "t"),
            from_hex("80010001 0000000d 6765745f7461626c655f726571 00000007"
                     "0c0001 0b0001 00000001 64 0b0002 00000001 74"
                     "0c0003 0f0001 08 00000002 00000001 00000002 00 00 00"));
}

TEST(MetastoreWire, ARequestForAPartition) {
  MetastoreTable table;
  table.database = "d";
  table.name = "t";
  EXPECT_EQ(encode_get_partition(1, table, "dt=x"),
            from_hex("80010001 00000015") + "get_partition_by_name" +
                from_hex("00000001 0b0001 00000001 64 0b0002 00000001 74 0b0003 00000004 64743d78"
                         "00"));
}

TEST(MetastoreWire, APartitionIsStoredLikeItsTable) {
  MetastoreTable table;
  table.database = "d";
  table.name = "t";
  table.storage.columns = {{"id", "int", ""}};
  table.storage.location = "file:/w/t";
  table.storage.input_format = "In";
  table.storage.output_format = "Out";
  table.storage.serde = "Serde";
  table.storage.serde_parameters = {{"field.delim", ","}};
  const std::string storage =
      field(kList, 1) + number(kStruct, 1) + number(1, 4) + field(kString, 1) + text("id") +
      field(kString, 2) + text("int") + field(kString, 3) + text("") + number(0, 1) +
      field(kString, 2) + text("file:/w/t/dt=x") + field(kString, 3) + text("In") +
      field(kString, 4) + text("Out") + field(2, 5) + number(0, 1) + field(8, 6) +
      number(0xFFFFFFFF, 4) + field(kStruct, 7) + field(kString, 1) + text("") + field(kString, 2) +
      text("Serde") + field(kMap, 3) + number(kString, 1) + number(kString, 1) + number(1, 4) +
      text("field.delim") + text(",") + number(0, 1) + field(kList, 8) + number(kString, 1) +
      number(0, 4) + field(kList, 9) + number(kStruct, 1) + number(0, 4) + field(kMap, 10) +
      number(kString, 1) + number(kString, 1) + number(0, 4) + number(0, 1);
  const std::string partition = field(kList, 1) + number(kString, 1) + number(1, 4) + text("x") +
                                field(kString, 2) + text("d") + field(kString, 3) + text("t") +
                                field(kStruct, 6) + storage + field(kMap, 7) + number(kString, 1) +
                                number(kString, 1) + number(0, 4) + number(0, 1);
  EXPECT_EQ(encode_add_partition(3, table, {"x"}, "file:/w/t/dt=x"),
            from_hex("80010001") + text("add_partitions_req") + number(3, 4) + field(kStruct, 1) +
                field(kString, 1) + text("d") + field(kString, 2) + text("t") + field(kList, 3) +
                number(kStruct, 1) + number(1, 4) + partition + field(2, 4) + number(1, 1) +
                field(2, 5) + number(0, 1) + number(0, 1) + number(0, 1));
}

TEST(MetastoreWire, ATable) {
  const std::string answer = table_answer();
  const auto read = decode_get_table(7, bytes_of(answer));
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_TRUE(read->result.has_value());
  const MetastoreTable& table = *read->result;
  EXPECT_EQ(table.shown(), "d.t");
  EXPECT_EQ(table.type, "EXTERNAL_TABLE");
  ASSERT_EQ(table.storage.columns.size(), 1U);
  EXPECT_EQ(table.storage.columns[0].type, "int");
  EXPECT_EQ(table.storage.location, "file:/w/t");
  EXPECT_EQ(table.storage.input_format, "In");
  EXPECT_EQ(table.storage.output_format, "Out");
  EXPECT_EQ(table.storage.buckets, -1);
  EXPECT_EQ(table.storage.serde, "Serde");
  EXPECT_EQ(table.storage.serde_parameters.at("field.delim"), ",");
  ASSERT_EQ(table.partition_columns.size(), 1U);
  EXPECT_EQ(table.partition_columns[0].name, "dt");
  EXPECT_EQ(table.parameters.at("EXTERNAL"), "TRUE");
}

TEST(MetastoreWire, ExceptionsAreRefusals) {
  const std::string missing =
      reply("get_table_req", field(kStruct, 2) + field(kString, 1) + text("no such table") +
                                 number(0, 1) + number(0, 1));
  const auto table = decode_get_table(7, bytes_of(missing));
  ASSERT_TRUE(table.ok());
  EXPECT_FALSE(table->result.has_value());
  EXPECT_EQ(table->refusal.kind, MetastoreRefusal::Kind::no_such_object);
  EXPECT_EQ(table->refusal.text, "no such table");

  const std::string exists =
      reply("add_partitions_req", field(kStruct, 2) + number(0, 1) + number(0, 1));
  const auto added = decode_add_partition(7, bytes_of(exists));
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(added->refusal.kind, MetastoreRefusal::Kind::already_exists);

  const std::string unknown = reply(
      "get_table_req",
      field(kString, 1) + text("Invalid method name") + field(8, 2) + number(1, 4) + number(0, 1),
      3);
  const auto refused = decode_get_table(7, bytes_of(unknown));
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->refusal.kind, MetastoreRefusal::Kind::call);
  EXPECT_EQ(refused->refusal.text, "Invalid method name");
}

TEST(MetastoreWire, ADamagedAnswerDoesNoHarm) {
  const std::string whole = table_answer();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char value : {'\0', '\1', '\x0b', '\x0f', '\x7f', '\xff'}) {
      std::string answer = whole;
      answer[at] = value;
      const auto read = decode_get_table(7, bytes_of(answer, 4096));
      EXPECT_TRUE(read.ok() || read.error().kind == ErrorClass::unavailable) << at;
    }
  }
}

TEST(MetastoreWire, AnAnswerBelongsToItsRequest) {
  const std::string answer = table_answer();
  const auto late = decode_get_table(8, bytes_of(answer));
  ASSERT_FALSE(late.ok());
  EXPECT_TRUE(late.error().message.find("another request") != std::string::npos);
}

TEST(MetastoreWire, AnAnswerHasABound) {
  // Many texts of a kibibyte: each is short enough.
  const std::string begin =
      reply("get_table_req", field(kList, 5) + number(kString, 1) + number(500'000, 4));
  const std::string item = text(std::string(1020, 'x'));
  std::size_t total = 0;
  const MetastoreBytes bytes = [&](char* to, std::size_t size) {
    std::size_t n = 0;
    for (; n < size; ++n, ++total) {
      to[n] = total < begin.size() ? begin[total] : item[(total - begin.size()) % item.size()];
    }
    return n;
  };
  const auto read = decode_get_table(7, bytes);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().kind, ErrorClass::unavailable);
  EXPECT_LE(total, kMaxMetastoreAnswer + (1 << 20));
}

TEST(MetastoreWire, AnAnswerOfManyEmptyItemsHasABound) {
  // Columns of one byte, in a list that is sent again and again.
  constexpr std::size_t kColumns = 90'000;
  const std::string list =
      field(kList, 1) + number(kStruct, 1) + number(kColumns, 4) + std::string(kColumns, '\0');
  std::string answer =
      reply("get_table_req", field(kStruct, 0) + field(kStruct, 1) + field(kStruct, 7) + list);
  const std::string end = number(0, 1) + number(0, 1) + number(0, 1) + number(0, 1);
  const std::string once = answer + end;
  EXPECT_TRUE(decode_get_table(7, bytes_of(once, 4096)).ok());
  const std::string twice = answer + list + end;
  const auto read = decode_get_table(7, bytes_of(twice, 4096));
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("too many items"), std::string::npos) << read.error().message;
}

TEST(MetastoreWire, AnAnswerThatIsNoneIsUnavailable) {
  const std::string whole = table_answer();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string part = whole.substr(0, size);
    const auto read = decode_get_table(7, bytes_of(part));
    ASSERT_FALSE(read.ok()) << size;
    EXPECT_EQ(read.error().kind, ErrorClass::unavailable);
  }
  const std::string another = reply("get_table", number(0, 1));
  const std::string empty = reply("get_table_req", number(0, 1));
  const std::string page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
  // A string, a list and a nesting that nobody sends.
  const std::string long_text = reply("get_table_req", field(kString, 5) + number(0x7FFFFFFF, 4));
  const std::string long_list =
      reply("get_table_req", field(kList, 5) + number(2, 1) + number(0x7FFFFFFF, 4));
  const std::string negative = reply("get_table_req", field(kString, 5) + number(0xFFFFFFFF, 4));
  std::string deep = reply("get_table_req", "");
  for (int i = 0; i < 100'000; ++i) {
    deep += field(kStruct, 5);
  }
  for (const std::string& answer : {another, empty, page, long_text, long_list, negative, deep}) {
    const auto read = decode_get_table(7, bytes_of(answer, 4096));
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind, ErrorClass::unavailable);
    // Refused before any of it is waited for.
    EXPECT_TRUE(read.error().message.starts_with("the answer is not that of a metastore"))
        << read.error().message;
  }
}

}  // namespace
}  // namespace fl
