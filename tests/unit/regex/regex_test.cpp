#include "common/regex/regex.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

bool finds(std::string_view pattern, std::string_view text, Regex::Mode mode = Regex::Mode::find) {
  auto regex = Regex::compile(pattern, mode);
  EXPECT_TRUE(regex.ok()) << pattern;
  return regex.ok() && regex->match(text) == Regex::Match::yes;
}

TEST(Regex, FindAndFull) {
  EXPECT_TRUE(finds("b", "abc"));
  EXPECT_FALSE(finds("b", "abc", Regex::Mode::full));
  EXPECT_TRUE(finds("a|abc", "abc", Regex::Mode::full));
  EXPECT_TRUE(finds("", ""));
}

TEST(Regex, ADotIsACharacterNotAByte) {
  EXPECT_TRUE(finds("^a.c$",
                    "a\xC3\xA9"
                    "c"));
  EXPECT_FALSE(finds("^a..c$",
                     "a\xC3\xA9"
                     "c"));
  EXPECT_TRUE(finds("^a[^x]c$",
                    "a\xE2\x82\xAC"
                    "c"));
  EXPECT_TRUE(finds("\xC3\xA9+$", "\xC3\xA9\xC3\xA9"));
  EXPECT_TRUE(finds("a.*c",
                    "a\xFF\xFE"
                    "c"));
}

TEST(Regex, BytesThatAreNotUtf8DoNoHarm) {
  EXPECT_TRUE(finds("b.d", "\xFF\xC3 bcd \x80"));
  EXPECT_FALSE(finds("b.e", "\xFF\xC3 bcd \x80"));
}

TEST(Regex, LineEndsAsInJava) {
  EXPECT_FALSE(finds("a.b", "a\nb"));
  EXPECT_FALSE(finds("a.b", "a\rb"));
  EXPECT_TRUE(finds("a$", "a\n"));
  EXPECT_TRUE(finds("a$", "a\r\n"));
  EXPECT_FALSE(finds("a$", "a\nb"));
}

TEST(Regex, WhatOnlyJavaKnowsIsRefused) {
  EXPECT_FALSE(Regex::compile("[a-z&&[^b]]", Regex::Mode::find).ok());
  EXPECT_FALSE(Regex::compile("(", Regex::Mode::find).ok());
}

}  // namespace
}  // namespace fl
