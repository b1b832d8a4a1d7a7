#include "tools/fl-intercept/json_fields.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/json/json.h"

namespace fl {
namespace {

std::optional<std::string> field(const std::string& path, const std::string& text) {
  JsonFields fields;
  const Status added = fields.add(path);
  EXPECT_TRUE(added) << path << ": " << added.error().message;
  const Status found = fields.find(text);
  EXPECT_TRUE(found) << text << ": " << found.error().message;
  return fields.value(0);
}

TEST(JsonFields, ValuesAsTheyAreSpelled) {
  const std::string text =
      R"({"s":"a\"\u00e4\n","i":12345678901234567890123,"d":1.10,"e":-1E+5,"t":true,"f":false,)"
      R"("n":null,"o":{ "x" : [1, 2] } ,"a":[ ], "odd name":"o","":"empty","user":{"id":7}})";
  const std::vector<std::pair<std::string, std::optional<std::string>>> cases = {
      {".s", "a\"\xc3\xa4\n"},
      {".i", "12345678901234567890123"},
      {".d", "1.10"},
      {".e", "-1E+5"},
      {".t", "true"},
      {".f", "false"},
      {".n", std::nullopt},
      {".missing", std::nullopt},
      {".o", R"({ "x" : [1, 2] })"},
      {".o.x", "[1, 2]"},
      {".o.x[1]", "2"},
      {".o.x[2]", std::nullopt},
      {".o.y.z", std::nullopt},
      {".s.x", std::nullopt},
      {".a", "[ ]"},
      {".\"odd name\"", "o"},
      {".\"\"", "empty"},
      {".user.id", "7"},
      {".user.id.x", std::nullopt},
  };
  for (const auto& [path, value] : cases) {
    EXPECT_EQ(field(path, text), value) << path;
  }
  EXPECT_EQ(field(".[1].a", R"([0,{"a":"x"}])"), "x");
  EXPECT_EQ(field("[0]", R"([[1]])"), "[1]");
  EXPECT_EQ(field(".a", R"({"a":1,"a":2})"), "2");
  EXPECT_EQ(field(".a", R"({"\u0061":"escaped"})"), "escaped");
}

TEST(JsonFields, SeveralAtOnceAndOneTextAfterTheOther) {
  JsonFields fields;
  for (const char* const path : {".a", ".a.b", ".a.b", ".c[0]"}) {
    ASSERT_TRUE(fields.add(path));
  }
  ASSERT_TRUE(fields.find(R"({"a":{"b":1},"c":["x"]})"));
  EXPECT_EQ(fields.value(0), R"({"b":1})");
  EXPECT_EQ(fields.value(1), "1");
  EXPECT_EQ(fields.value(2), "1");
  EXPECT_EQ(fields.value(3), "x");
  ASSERT_TRUE(fields.find(R"({"a":2})"));
  EXPECT_EQ(fields.value(0), "2");
  EXPECT_EQ(fields.value(1), std::nullopt);
  EXPECT_EQ(fields.value(3), std::nullopt);
}

TEST(JsonFields, WhatIsNoPathIsRefused) {
  for (const char* const path : {"", ".", "a", "a.b", ".a.", "..a", ".a[", ".a[x]", ".a[]",
                                 ".a[-1]", ".a[1", ".\"a", ".a b[", ".a]b[0", ".a\"b\"x["}) {
    JsonFields fields;
    const Status added = fields.add(path);
    ASSERT_FALSE(added) << path;
    EXPECT_EQ(added.error().kind, ErrorClass::config);
    EXPECT_FALSE(added.error().hint.empty());
  }
}

TEST(JsonFields, WhatIsNoJsonIsRecognisedWhereverItGoesWrong) {
  JsonFields fields;
  ASSERT_TRUE(fields.add(".a"));
  for (const std::string text : {"",
                                 " ",
                                 "x",
                                 "5",
                                 "\"a\"",
                                 "null",
                                 "{",
                                 "}",
                                 "{\"a\":1",
                                 "{\"a\":1}}",
                                 "{\"a\":1} x",
                                 "{\"a\":1}{}",
                                 "{\"a\":1,}",
                                 "{\"a\" 1}",
                                 "{\"a\":}",
                                 "{a:1}",
                                 "{\"a\":01}",
                                 "{\"a\":1.}",
                                 "{\"a\":+1}",
                                 "{\"a\":.5}",
                                 "{\"a\":1e}",
                                 "{\"a\":nul}",
                                 "{\"a\":truex}",
                                 "{\"a\":1 2}",
                                 "{\"a\":\"\xff\"}",
                                 "{\"a\":\"\\ud800\"}",
                                 "{\"a\":\"\\x\"}",
                                 "{\"a\":\"\n\"}",
                                 "[1,]",
                                 "[1 2]",
                                 "{\"a\":1,\"b\":[1,{\"c\":tru}]}",
                                 "{\"a\":1,\"b\":\"\\q\"}"}) {
    EXPECT_FALSE(fields.find(text)) << text;
  }
  EXPECT_FALSE(fields.find(std::string(2'000, '[') + std::string(2'000, ']')));
  ASSERT_TRUE(fields.find(R"({"a":1})"));
  EXPECT_EQ(fields.value(0), "1");
}

// The verdict is that of the other parser, on texts that are cut and changed.
TEST(JsonFields, TheVerdictIsThatOfTheTree) {
  std::mt19937 random(20240229);
  const std::string text =
      R"({"a":{"b":[1,-2.5e3,"x\n\u00e4"],"c":null},"d":[[],{}],"e":true,"f":"","g":0})";
  const std::string bytes = "{}[],:\"\\ 0123456789.eE+-truefalsn\n\x01\xc3";
  JsonFields fields;
  for (const char* const path : {".a", ".a.b[2]", ".d[1]", ".e"}) {
    ASSERT_TRUE(fields.add(path));
  }
  int sound = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string changed = text;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) {
      const std::size_t at = random() % changed.size();
      switch (random() % 3) {
        case 0:
          changed.erase(at, 1);
          break;
        case 1:
          changed.insert(at, 1, bytes[random() % bytes.size()]);
          break;
        default:
          changed[at] = bytes[random() % bytes.size()];
      }
    }
    const Result<Json> tree = parse_json(changed);
    const bool is_tree =
        tree && (tree->type == Json::Type::object || tree->type == Json::Type::array);
    const Status found = fields.find(changed);
    ASSERT_EQ(found.ok(), is_tree)
        << changed << ": " << (found ? tree.error().message : found.error().message);
    sound += is_tree ? 1 : 0;
  }
  EXPECT_GT(sound, 500);
}

}  // namespace
}  // namespace fl
