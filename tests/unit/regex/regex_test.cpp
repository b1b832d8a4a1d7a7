#include "common/regex/regex.h"

#include <gtest/gtest.h>

#include <vector>

#include "common/regex/java_pattern.h"
#include "common/regex/replacement.h"

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

TEST(Regex, WhatMeansAnotherThingInJavaIsRefused) {
  for (const char* pattern :
       {"[a[bc]]", "[^a[b]", "(?U)a", "(?d:a)", R"(\u12)", R"(\0)", "[a&&b]"}) {
    EXPECT_FALSE(Regex::compile(pattern, Regex::Mode::find).ok()) << pattern;
  }
  for (const char* pattern : {"[[:digit:]]", R"([a\[b])", "[]a]", "[^]&]", "a&&b", R"(\Q[[&&\E)"}) {
    EXPECT_TRUE(Regex::compile(pattern, Regex::Mode::find).ok()) << pattern;
  }
}

TEST(Regex, JavasSpellings) {
  EXPECT_TRUE(finds(R"(^\u00e9$)", "\xC3\xA9"));
  EXPECT_TRUE(finds(R"(^\uD834\uDD1E$)", "\xF0\x9D\x84\x9E"));
  EXPECT_TRUE(finds(R"(^\0101$)", "A"));
  EXPECT_TRUE(finds(R"(^\p{Alpha}[\p{Digit}_]\P{Upper}$)", "a_b"));
  EXPECT_FALSE(finds(R"(\p{Alpha})", "\xC3\xA9"));  // ASCII in Java
  EXPECT_TRUE(finds(R"(\p{IsLatin})", "\xC3\xA9"));
  EXPECT_TRUE(finds("(?iu)\xC3\x89", "\xC3\xA9"));
  EXPECT_TRUE(finds("(?s)a.b", "a\nb"));
  EXPECT_FALSE(finds("a.b",
                     "a\xE2\x80\xA8"
                     "b"));  // line separator
}

TEST(Regex, MalformedPiecesAreOneCharacterAsInJava) {
  EXPECT_TRUE(finds("^a.b$",
                    "a\xFF"
                    "b"));
  EXPECT_TRUE(finds("^a.b$",
                    "a\xE2\x82"
                    "b"));  // the beginning of a character
  EXPECT_TRUE(finds("^a.b$",
                    "a\xED\xA0\x80"
                    "b"));  // a surrogate
  EXPECT_TRUE(finds("^a..b$",
                    "a\xC0\x80"
                    "b"));
  EXPECT_TRUE(finds("^a.$", "a\xF0\x9F\x92"));
  EXPECT_TRUE(finds("^a[^b]\xC3\xA9", "a\xF5\xC3\xA9"));
}

/// All matches, each as "begin-end".
std::string matches(std::string_view pattern, std::string_view text) {
  auto regex = Regex::compile(pattern, Regex::Mode::groups);
  EXPECT_TRUE(regex.ok()) << pattern;
  std::string out;
  regex->start(text);
  while (regex->next() == Regex::Match::yes) {
    const Regex::Span span = *regex->group(0);
    out += std::to_string(span.begin) + "-" + std::to_string(span.end) + " ";
  }
  return out;
}

TEST(Regex, NextGoesOnAsJavasFind) {
  EXPECT_EQ(matches("a", "banana"), "1-2 3-4 5-6 ");
  EXPECT_EQ(matches("a*", "baac"), "0-0 1-3 3-3 4-4 ");
  EXPECT_EQ(matches("", "\xC3\xA9z"), "0-0 2-2 3-3 ");
  EXPECT_EQ(matches("^a", "aa"), "0-1 ");
  EXPECT_EQ(matches("(?<=a)b", "abb"), "1-2 ");
  EXPECT_EQ(matches("x", ""), "");
}

TEST(Regex, OffsetsAreThoseOfTheBytes) {
  EXPECT_EQ(matches("b|\xC3\xA9",
                    "\xFF"
                    "b\xE2\x82\xC3\xA9\xC0\x80"
                    "b"),
            "1-2 4-6 8-9 ");
  EXPECT_EQ(matches("a.",
                    "a\xFF"
                    "a\xE2\x82"),
            "0-2 2-5 ");
}

TEST(Regex, Groups) {
  auto regex = Regex::compile("(a)|(?<other>.+?)$", Regex::Mode::groups);
  ASSERT_TRUE(regex.ok());
  EXPECT_EQ(regex->groups(), 2u);
  EXPECT_EQ(regex->group_number("other"), 2u);
  EXPECT_EQ(regex->group_number("none"), std::nullopt);
  regex->start("xy");
  ASSERT_EQ(regex->next(), Regex::Match::yes);
  EXPECT_FALSE(regex->group(1).has_value());
  EXPECT_EQ(regex->group(2)->end, 2u);
  EXPECT_FALSE(regex->group(3).has_value());
}

TEST(Regex, AGroupNeverEndsWithinACharacter) {
  auto regex = Regex::compile("(.+?)(.*)", Regex::Mode::groups);
  regex->start(
      "\xE2\x82\xAC"
      "5");
  ASSERT_EQ(regex->next(), Regex::Match::yes);
  EXPECT_EQ(regex->group(1)->end, 3u);
}

TEST(Regex, ASearchHasALimit) {
  auto regex = Regex::compile("(a+)+\\d", Regex::Mode::groups);
  const std::string text(64, 'a');
  regex->start(text);
  EXPECT_EQ(regex->next(), Regex::Match::failed);
  EXPECT_EQ(regex->error().kind, ErrorClass::input);
  EXPECT_EQ(regex->next(), Regex::Match::no);
}

std::string replaced(std::string_view pattern, std::string_view by, std::string_view text) {
  auto regex = Regex::compile(pattern, Regex::Mode::groups);
  auto replacement = Replacement::parse(by, *regex);
  if (!replacement) {
    return "refused";
  }
  std::string out;
  std::size_t from = 0;
  regex->start(text);
  while (regex->next() == Regex::Match::yes) {
    out += text.substr(from, regex->group(0)->begin - from);
    replacement->append(out, *regex, text);
    from = regex->group(0)->end;
  }
  return out += text.substr(from);
}

TEST(Replacement, AsJavasReplaceAll) {
  EXPECT_EQ(replaced("(a)(?<n>b)?", "[$1|$2|${n}|$0]", "ab a"), "[a|b|b|ab] [a|||a]");
  EXPECT_EQ(replaced("(a)", "$12", "a"), "a2");  // there is no group 12
  EXPECT_EQ(replaced("a", R"(\$1\\\a)", "a"), R"($1\a)");
  EXPECT_EQ(replaced("x*", "-", "axb"), "-a--b-");
  EXPECT_EQ(replaced("(é+)", "<$1>", "aéé"), "a<éé>");
}

TEST(Replacement, WhatJavaRefusesAtRunTimeIsRefusedAtOnce) {
  for (const char* by : {"$1", "$", "\\", "$x", "${n", "${n}", "a$"}) {
    EXPECT_EQ(replaced("a", by, "b"), "refused") << by;
  }
}

}  // namespace
}  // namespace fl
