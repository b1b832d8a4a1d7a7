#include "common/base/base64.h"

#include <gtest/gtest.h>

#include <string>

namespace fl {
namespace {

TEST(Base64, TheVectorsOfTheStandard) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(base64_decoded(text), bytes);
  }
}

TEST(Base64, TheFormForAddresses) {
  EXPECT_EQ(base64("\xfb\xff\xfe", Base64::standard), "+//+");
  EXPECT_EQ(base64("\xfb\xff\xfe", Base64::url), "-__-");
  EXPECT_EQ(base64("f", Base64::url), "Zg");
}

TEST(Base64, WhatIsNotExactlyThatIsRefused) {
  for (const char* text :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "-__-", "Zm9v\n"}) {
    EXPECT_EQ(base64_decoded(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace fl
