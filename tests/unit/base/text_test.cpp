#include "common/base/text.h"

#include <gtest/gtest.h>

namespace fl {
namespace {

TEST(Text, JsonQuotedEscapesAndReplaces) {
  EXPECT_EQ(json_quoted("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(json_quoted("\xff"
                        "é"),
            "\"\\ufffdé\"");
}

TEST(Text, WrappedBreaksAtBlanks) {
  EXPECT_EQ(wrapped("aa bb cc", 5), (std::vector<std::string>{"aa bb", "cc"}));
  EXPECT_EQ(wrapped("longword x", 4), (std::vector<std::string>{"longword", "x"}));
  EXPECT_EQ(wrapped("a\n\nb", 9), (std::vector<std::string>{"a", "", "b"}));
}

}  // namespace
}  // namespace fl
