#include "tools/fl-source/line_charset.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

std::string converted(const std::string& name, std::string_view text, std::size_t malformed = 0) {
  Result<LineCharset> charset = LineCharset::open(name);
  EXPECT_TRUE(charset.ok()) << name;
  std::string out = "<";
  EXPECT_EQ(charset->append_utf8(out, text), malformed) << name;
  return out + ">";
}

TEST(LineCharset, Utf8AndAsciiPassUnchangedMalformedBytesToo) {
  for (const char* const name : {"utf-8", "UTF8", "US-ASCII", "ascii"}) {
    Result<LineCharset> charset = LineCharset::open(name);
    ASSERT_TRUE(charset.ok()) << name;
    EXPECT_TRUE(charset->passes());
    EXPECT_EQ(converted(name, "a\xff\xc3\xa9"), "<a\xff\xc3\xa9>");
  }
}

TEST(LineCharset, OthersBecomeUtf8UnderNamesOfIconvAndJava) {
  for (const char* const name : {"ISO-8859-1", "ISO8859_1", "latin1"}) {
    EXPECT_EQ(converted(name, "\xe9\xff"), "<\u00e9\u00ff>") << name;
  }
  EXPECT_EQ(converted("Cp1252", "\x80"), "<\u20ac>");
  EXPECT_EQ(converted("GBK", "\xc4\xe3"), "<\u4f60>");
  EXPECT_EQ(converted("ISO-8859-1", std::string(100'000, '\xe9')).size(), 200'002u);
}

TEST(LineCharset, WhatAnEncodingLacksIsReplacedAndCounted) {
  EXPECT_EQ(converted("Cp1252", "a\x81z\x8d", 2), "<a\ufffdz\ufffd>");
  EXPECT_EQ(converted("GBK", "a\xc4", 1), "<a\ufffd>");  // cut in the middle
}

TEST(LineCharset, RefusesWhatItDoesNotKnowAndOtherNewlines) {
  for (const char* const name : {"", "none", "UTF-8//IGNORE", "UTF-16", "UTF-16LE", "IBM037"}) {
    const Result<LineCharset> charset = LineCharset::open(name);
    ASSERT_FALSE(charset.ok()) << name;
    EXPECT_EQ(charset.error().kind, ErrorClass::config) << name;
  }
}

}  // namespace
}  // namespace fl
