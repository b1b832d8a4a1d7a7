#include "common/stream/json_line.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "common/stream/block_builder.h"
#include "common/stream/text_reader.h"

namespace fl {
namespace {

// An event from its parts; `bytes` holds it.
Event event_of(std::string& bytes, const Headers& headers, std::string_view body) {
  bytes.clear();
  append_event(bytes, headers, body);
  Event event;
  const char* why = "";
  const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
  EXPECT_NE(scan_event(p, p + bytes.size(), {}, event, why), nullptr) << why;
  return event;
}

std::string line_of(const Headers& headers, std::string_view body) {
  std::string bytes;
  std::string line;
  append_json_line(line, event_of(bytes, headers, body));
  return line;
}

Headers sorted(Headers headers) {
  std::sort(headers.begin(), headers.end());
  return headers;
}

TEST(JsonLine, TheWrittenForm) {
  EXPECT_EQ(line_of({}, "GET /"), R"({"headers":{},"body":"GET /"})");
  EXPECT_EQ(line_of({{"a", "1"}, {"b", "x\"\\\n\t\r\x01\x7f"}}, "\xc3\xa4"),
            "{\"headers\":{\"a\":\"1\",\"b\":\"x\\\"\\\\\\n\\t\\r\\u0001\\u007f\"},"
            "\"body\":\"\xc3\xa4\"}");
  EXPECT_EQ(line_of({}, "\xff"), R"({"headers":{},"body64":"/w=="})");
  EXPECT_EQ(line_of({{"k", "v"}, {"\xff", "a"}, {"x", "\xfe\xfe"}}, ""),
            R"({"headers":{"k":"v"},"headers64":{"/w==":"YQ==","eA==":"/v4="},"body":""})");
}

// Bytes of all kinds, long enough for each rest of base 64, valid UTF-8 or not.
TEST(JsonLine, WhatIsWrittenComesBack) {
  std::mt19937 random(20240229);
  const std::vector<std::string> pieces = {"a",
                                           "\"",
                                           "\\",
                                           "\n",
                                           "\r\n",
                                           "\t",
                                           "/",
                                           "\x01",
                                           "\x1f",
                                           "\x7f",
                                           "\xff",
                                           "\xc3",
                                           "\xa4",
                                           "\xed\xa0\x80",
                                           "\xc3\xa4",
                                           "\xf0\x9f\x98\x80",
                                           std::string(1, '\0'),
                                           "{\"body\":\"x\"}",
                                           "%41",
                                           "\\u0000"};
  const auto text = [&](std::size_t most) {
    std::string out;
    for (std::size_t n = random() % (most + 1); n > 0; --n) {
      out += pieces[random() % pieces.size()];
    }
    return out;
  };
  JsonLine reader;
  std::size_t foreign = 0;
  for (int round = 0; round < 20'000; ++round) {
    Headers headers;
    for (std::size_t n = random() % 4; n > 0; --n) {
      std::string key = text(3) + std::to_string(n);
      headers.emplace_back(std::move(key), text(5));
    }
    const std::string body = text(9);
    const std::string line = line_of(headers, body);
    foreign += is_valid_utf8(body) ? 0u : 1u;
    ASSERT_EQ(line.find('\n'), std::string::npos) << line;
    ASSERT_TRUE(is_valid_utf8(line)) << line;
    const Result<bool> read = reader.parse(line, {});
    ASSERT_TRUE(read) << line << ": " << read.error().message;
    ASSERT_TRUE(*read);
    ASSERT_EQ(reader.body(), body) << line;
    std::string bytes(reader.map().empty() ? std::string(1, '\0') : std::string(reader.map()));
    std::string again;
    append_event(again, {}, reader.body());
    bytes += again.substr(1);
    Event event;
    const char* why = "";
    const auto* const p = reinterpret_cast<const std::uint8_t*>(bytes.data());
    ASSERT_NE(scan_event(p, p + bytes.size(), {}, event, why), nullptr) << why;
    ASSERT_EQ(sorted(headers_of(event)), sorted(headers)) << line;
  }
  EXPECT_GT(foreign, 1'000u);
}

TEST(JsonLine, WhatElseIsAnEvent) {
  JsonLine reader;
  for (const std::string line :
       {R"({"body":"x"})", R"( { "body" : "x" , "headers" : { } } )", "{\"body\":\"x\"}\r",
        "\xef\xbb\xbf{\"body\":\"x\"}", R"({"body64":"eA=="})", R"({"body":"\u0078"})"}) {
    const Result<bool> read = reader.parse(line, {});
    ASSERT_TRUE(read) << line << ": " << read.error().message;
    EXPECT_TRUE(*read) << line;
    EXPECT_EQ(reader.body(), "x") << line;
    EXPECT_EQ(reader.map(), "") << line;
  }
  for (const std::string line : {"", "  \t", "\r", "\xef\xbb\xbf"}) {
    const Result<bool> read = reader.parse(line, {});
    ASSERT_TRUE(read) << line;
    EXPECT_FALSE(*read) << line;
  }
}

TEST(JsonLine, WhatIsNoneSaysWhy) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"GET /", "not JSON"},
      {"{", "not JSON"},
      {R"({"body":"x"} x)", "not JSON"},
      {R"({"body":"x"}{"body":"y"})", "not JSON"},
      {"{\"body\":\"\xff\"}", "not JSON"},
      {R"({"body":"\ud800"})", "not JSON"},
      {"{\"body\":\"\x01\"}", "not JSON"},
      {"[]", "not a JSON object"},
      {"7", "not a JSON object"},
      {"null", "not a JSON object"},
      {"{}", "there is no \"body\""},
      {R"({"headers":{}})", "there is no \"body\""},
      {R"({"body":7})", "\"body\" is not a string"},
      {R"({"body":null})", "\"body\" is not a string"},
      {R"({"body":"a","body":"b"})", "more than one body"},
      {R"({"body":"a","body64":"YQ=="})", "more than one body"},
      {R"({"body":"a","x":1})", "unknown member \"x\""},
      {R"({"body64":"YQ"})", "\"body64\" is not base 64"},
      {R"({"body64":"YR=="})", "\"body64\" is not base 64"},
      {R"({"body64":"Y==="})", "\"body64\" is not base 64"},
      {R"({"body64":"YQ==YQ=="})", "\"body64\" is not base 64"},
      {R"({"body64":"Y Q="})", "\"body64\" is not base 64"},
      {R"({"headers":[],"body":"a"})", "\"headers\" is not an object"},
      {R"({"headers":{"a":1},"body":"a"})", "the header \"a\" is not a string"},
      {R"({"headers":{"a":"1","a":"2"},"body":"a"})", "the header \"a\" is there twice"},
      {R"({"headers":{"a":"1"},"headers64":{"YQ==":""},"body":"a"})", "is there twice"},
      {R"({"headers64":{"a":""},"body":"a"})", "is not base 64"},
      {R"({"headers":{},"headers":{},"body":"a"})", "\"headers\" is there twice"},
      {R"({"headers":{"a":")" + std::string(5'000, 'x') + R"("},"body":"a"})", "no event: "},
      {"{\"body\":\"" + std::string(1'048'577, 'x') + "\"}", "no event: "},
      {std::string(100'000, '['), "not JSON"},
  };
  JsonLine reader;
  for (const auto& [line, why] : cases) {
    const Result<bool> read = reader.parse(line, {});
    ASSERT_FALSE(read) << line.substr(0, 80);
    EXPECT_EQ(read.error().kind, ErrorClass::input);
    EXPECT_NE(read.error().message.find(why), std::string::npos)
        << line.substr(0, 80) << ": " << read.error().message;
  }
  EXPECT_TRUE(reader.parse(R"({"body":"after all that"})", {}));
}

TEST(JsonLine, AReaderOfTextCountsLines) {
  JsonLine form;
  TextReader reader({});
  reader.set_form(form, {}, {});
  InputBuffer in;
  in.append("{\"body\":\"a\"}\n\n{\"body\":\"b\"}\nnot\n{\"body\":\"c\"}");
  BlockBuilder out;
  Result<bool> read = reader.read(in, true, out);
  ASSERT_TRUE(read);
  EXPECT_TRUE(*read);  // what precedes the fault goes first
  EXPECT_EQ(out.count(), 2u);
  out.clear();
  read = reader.read(in, true, out);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message.substr(0, 17), "line 4: not JSON:");
  read = reader.read(in, true, out);  // it is skipped
  ASSERT_TRUE(read);
  EXPECT_EQ(out.count(), 1u);
}

TEST(JsonLine, RefusedLinesAreKeptAndReadingGoesOn) {
  JsonLine form;
  TextReader reader({});
  std::vector<std::string> kept;
  reader.set_form(form, {}, [&kept](std::string_view line, const Error& why) {
    kept.push_back(std::string(line) + " (" + why.message.substr(0, 6) + ")");
    return Status();
  });
  InputBuffer in;
  in.append("x\n{\"body\":\"a\"}\ny\n");
  BlockBuilder out;
  const Result<bool> read = reader.read(in, true, out);
  ASSERT_TRUE(read);
  EXPECT_EQ(out.count(), 1u);
  EXPECT_EQ(kept, (std::vector<std::string>{"x (line 1)", "y (line 3)"}));
}

}  // namespace
}  // namespace fl
