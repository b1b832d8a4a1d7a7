#include "common/hadoop/answers.h"

#include <gtest/gtest.h>

#include <string>

namespace fl {
namespace {

TEST(Redirect, NamesItsOrigin) {
  const auto target = parse_redirect("HTTP://dn-1.x_y:9864/webhdfs/v1/a?op=CREATE&delegation=S");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->origin, "http://dn-1.x_y:9864");
  EXPECT_EQ(target->host, "dn-1.x_y");
  EXPECT_FALSE(target->https);
  EXPECT_EQ(parse_redirect("https://[fe80::1]:1/")->origin, "https://[fe80::1]:1");
  EXPECT_EQ(parse_redirect("https://h/")->origin, "https://h:443");
}

TEST(Redirect, AnOriginIsSchemeHostAndPort) {
  const auto same = [](const char* a, const char* b) {
    return same_origin(*parse_redirect(a), *parse_redirect(b));
  };
  EXPECT_TRUE(same("http://h:3080/x", "http://H:3080"));
  EXPECT_TRUE(same("https://h/", "https://h:443/y"));
  EXPECT_FALSE(same("http://h:30800", "http://h:3080"));
  EXPECT_FALSE(same("http://h:80", "https://h:80"));
  EXPECT_FALSE(same("http://h1:80", "http://h:80"));
}

TEST(Redirect, WhatIsNoPlainUrlIsRefused) {
  for (const char* bad : {"",
                          "/relative",
                          "file:///etc/passwd",
                          "ftp://h/",
                          "http://",
                          "http:///x",
                          "http://:1/",
                          "http://h:0/",
                          "http://h:65536/",
                          "http://h:99999999999/",
                          "http://h:1x/",
                          "http://user:password@h:1/",
                          "http://h\\@other:1/",
                          "http://h:1/a b",
                          "http://h:1/\r\nX: y",
                          "http://h:1/\x80",
                          "http://[::1/",
                          "http://::1/",
                          "http://h%2e:1/",
                          "gopher://h:1/"}) {
    EXPECT_FALSE(parse_redirect(bad).has_value()) << bad;
  }
  EXPECT_FALSE(parse_redirect("http://" + std::string(300, 'a') + "/").has_value());
}

TEST(TransferAddress, IsFoundByNameOrAddressOfTheHttpServer) {
  const std::string info =
      R"({"beans":[{"name":"x","LiveNodes":"{\"a:9866\":{\"infoAddr\":\"10.0.0.1:9864\",)"
      R"(\"infoSecureAddr\":\"10.0.0.1:0\",\"xferaddr\":\"10.0.0.1:9866\"},\"b:9867\":{)"
      R"(\"infoAddr\":\"10.0.0.2:9864\",\"xferaddr\":\"10.0.0.2:9867\"},\"c:1\":7}"}]})";
  EXPECT_EQ(parse_transfer_address(info, "B", "", "9864"), "10.0.0.2:9867");
  EXPECT_EQ(parse_transfer_address(info, "nat", "10.0.0.1", "9864"), "10.0.0.1:9866");
  EXPECT_EQ(parse_transfer_address(info, "b", "10.0.0.2", "9865"), std::nullopt);
  for (const char* bad : {"", "<html>", "{}", R"({"beans":[]})", R"({"beans":[{"LiveNodes":7}]})",
                          R"({"beans":[{"LiveNodes":"["}]})"}) {
    EXPECT_EQ(parse_transfer_address(bad, "b", "", "9864"), std::nullopt) << bad;
  }
}

TEST(FileStatusAnswer, TakesNoNumberThatIsNone) {
  const auto status = [](const std::string& length) {
    return parse_file_status(R"({"FileStatus":{"length":)" + length +
                             R"(,"modificationTime":5,"pathSuffix":"","type":"FILE"}})");
  };
  ASSERT_TRUE(status("9007199254740993").has_value());
  EXPECT_EQ(status("9007199254740993")->length, 9007199254740993ULL);
  for (const char* bad : {"-1", "1.5", "\"1\"", "null", "18446744073709551615", "1e3000"}) {
    EXPECT_FALSE(status(bad).has_value()) << bad;
  }
}

TEST(TokenAnswer, IsTyped) {
  EXPECT_EQ(parse_token(R"({"Token":{"urlString":"abc"}})"), "abc");
  for (const char* bad : {R"({"Token":null})", R"({"Token":{}})", R"({"Token":{"urlString":1}})"}) {
    EXPECT_FALSE(parse_token(bad).has_value()) << bad;
  }
  EXPECT_EQ(parse_long(R"({"long":1700000000000})"), 1700000000000);
  EXPECT_FALSE(parse_long(R"({"long":-1})").has_value());
}

}  // namespace
}  // namespace fl
