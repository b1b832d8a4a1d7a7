#include "tools/fl-source/line_charset.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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
  for (const char* const name :
       {"utf-8", "UTF8", "utf_8", "US-ASCII", "ascii", "US_ASCII", "ANSI_X3.4-1968", "646"}) {
    Result<LineCharset> charset = LineCharset::open(name);
    ASSERT_TRUE(charset.ok()) << name;
    EXPECT_TRUE(charset->passes());
    EXPECT_EQ(converted(name, "a\xff\xc3\xa9"), "<a\xff\xc3\xa9>");
  }
}

TEST(LineCharset, OthersBecomeUtf8UnderNamesOfIconvAndJava) {
  for (const char* const name :
       {"ISO-8859-1", "ISO8859_1", "iso_8859_1", "ISO_8859-1", "8859_1", "latin1", "l1"}) {
    EXPECT_EQ(converted(name, "\xe9\xff"), "<\u00e9\u00ff>") << name;
  }
  EXPECT_EQ(converted("Cp1252", "\x80"), "<\u20ac>");
  EXPECT_EQ(converted("windows-1252", "\x80"), "<\u20ac>");
  EXPECT_EQ(converted("GBK", "\xc4\xe3"), "<\u4f60>");
  for (const char* const name : {"Shift_JIS", "shift-jis", "SJIS", "x-SJIS"}) {
    EXPECT_EQ(converted(name, "\x82\xa0"), "<\u3042>") << name;
  }
  EXPECT_EQ(converted("EUC_JP", "\xa4\xa2"), "<\u3042>");
  EXPECT_EQ(converted("ISO-8859-1", std::string(100'000, '\xe9')).size(), 200'002u);
}

TEST(LineCharset, WhatAnEncodingLacksIsReplacedAndCounted) {
  EXPECT_EQ(converted("Cp1252", "a\x81z\x8d", 2), "<a\ufffdz\ufffd>");
  EXPECT_EQ(converted("GBK", "a\xc4", 1), "<a\ufffd>");  // cut in the middle
}

TEST(LineCharset, WideEncodingsHaveTheirUnitsUnderAllTheirNames) {
  struct Row {
    std::vector<const char*> names;
    CodeUnit unit;
    bool has_mark;
    std::string text;
  };
  const std::string little("a\0\xac\x20", 4);
  const std::string big("\0a\x20\xac", 4);
  const std::vector<Row> rows = {
      {{"UTF-16LE", "utf-16le", "UTF_16LE", "UTF16LE", "X-UTF-16LE", "UnicodeLittleUnmarked"},
       {2, true},
       false,
       little},
      {{"UTF-16BE", "UTF_16BE", "utf16be", "UnicodeBigUnmarked"}, {2, false}, false, big},
      {{"UTF-16", "UTF16", "utf_16", "unicode", "UnicodeBig"}, {2, false}, true, big},
      {{"UTF-32LE", "utf_32le"}, {4, true}, false, std::string("a\0\0\0\xac\x20\0\0", 8)},
      {{"UTF-32BE", "UTF32BE"}, {4, false}, false, std::string("\0\0\0a\0\0\x20\xac", 8)},
      {{"UTF-32"}, {4, false}, true, std::string("\0\0\0a\0\0\x20\xac", 8)},
  };
  for (const Row& row : rows) {
    for (const char* const name : row.names) {
      Result<LineCharset> charset = LineCharset::open(name);
      ASSERT_TRUE(charset.ok()) << name;
      EXPECT_EQ(charset->unit(), row.unit) << name;
      EXPECT_EQ(charset->has_mark(), row.has_mark) << name;
      EXPECT_EQ(converted(name, row.text), "<a\u20ac>") << name;
    }
  }
  Result<LineCharset> charset = LineCharset::open("UTF-16");
  ASSERT_TRUE(charset.ok());
  std::string out;
  EXPECT_EQ(charset->append_utf8(out, little, {2, true}), 0u);
  EXPECT_EQ(out, "a\u20ac");
}

TEST(LineCharset, MalformedUnitsOfWideEncodingsKeepTheirNeighbours) {
  // A low surrogate alone, a high one at the end, half a unit at the end.
  EXPECT_EQ(converted("UTF-16LE", {"a\0\x00\xdcz\0", 6}, 2), "<a\ufffdz>");
  EXPECT_EQ(converted("UTF-16LE", {"a\0\x00\xd8", 4}, 2), "<a\ufffd>");
  EXPECT_EQ(converted("UTF-16BE", {"\0a\0", 3}, 1), "<a\ufffd>");
}

TEST(LineCharset, RefusesWhatItDoesNotKnowAndOtherNewlines) {
  for (const char* const name : {"", "none", "UTF-8//IGNORE", "IBM037", "IBM1047"}) {
    const Result<LineCharset> charset = LineCharset::open(name);
    ASSERT_FALSE(charset.ok()) << name;
    EXPECT_EQ(charset.error().kind, ErrorClass::config) << name;
    EXPECT_FALSE(charset.error().hint.empty()) << name;
  }
}

}  // namespace
}  // namespace fl
