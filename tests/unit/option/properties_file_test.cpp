#include "common/option/properties_file.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

std::string shown(std::string_view text) {
  std::string out;
  for (const Property& property : parse_properties(text).properties) {
    out += std::to_string(property.line) + " [" + property.key + "] [" + property.value + "]\n";
  }
  return out;
}

TEST(PropertiesFile, AKeyEndsAtEqualsColonOrBlank) {
  EXPECT_EQ(shown("a=1\nb : 2\n\tc\t3\nd\ne = = x\nf::y\n"),
            "1 [a] [1]\n2 [b] [2]\n3 [c] [3]\n4 [d] []\n5 [e] [= x]\n6 [f] [:y]\n");
}

TEST(PropertiesFile, CommentsAndBlankLinesCountAsLines) {
  EXPECT_EQ(shown("# a=1\r\n\r\n  ! b\\\nc=1 # no comment\r d=2"),
            "4 [c] [1 # no comment]\n5 [d] [2]\n");
}

TEST(PropertiesFile, AnOddNumberOfBackslashesContinuesALine) {
  EXPECT_EQ(shown("a = r1\\\n   r2 \\\n\t#r3\nb = x\\\\\nc = y\\\\\\\n z\nd=\\"),
            "1 [a] [r1r2 #r3]\n4 [b] [x\\]\n5 [c] [y\\z]\n7 [d] []\n");
  EXPECT_EQ(shown("a = 1\\\n\nb = 2"), "1 [a] [1]\n3 [b] [2]\n");
}

TEST(PropertiesFile, Escapes) {
  EXPECT_EQ(shown(R"(a\ b\=\:c = \t\n\r\f\\\d\u00e4\u20AC\ud83D\ude00)"),
            "1 [a b=:c] [\t\n\r\f\\d\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80]\n");
  EXPECT_EQ(shown("a = \\ud83dx\\ude00"), "1 [a] [\xef\xbf\xbdx\xef\xbf\xbd]\n");
}

TEST(PropertiesFile, ABadEscapeIsFatalAndNamesTheLine) {
  for (const char* bad : {"x=1\na=\\u12", "x=1\na=\\u12g4", "x=1\n\\u=b"}) {
    const PropertiesFile file = parse_properties(bad);
    ASSERT_EQ(file.bad_lines.size(), 1U) << bad;
    EXPECT_TRUE(file.bad_lines[0].is_fatal);
    EXPECT_EQ(file.bad_lines[0].line, 2U);
    EXPECT_EQ(file.properties.size(), 1U);
  }
}

TEST(PropertiesFile, OtherBytesAreLatin1) {
  const PropertiesFile file = parse_properties("a=\xe4\n");
  ASSERT_EQ(file.properties.size(), 1U);
  EXPECT_EQ(file.properties[0].value, "\xc3\xa4");
  ASSERT_EQ(file.bad_lines.size(), 1U);
  EXPECT_FALSE(file.bad_lines[0].is_fatal);
}

}  // namespace
}  // namespace fl
