#include "common/hadoop/token_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fl {
namespace {

using namespace std::string_literals;

/// A short Text or byte array of a Writable.
std::string counted(const std::string& text) { return static_cast<char>(text.size()) + text; }

/// As Protocol Buffers count, up to 16 KiB.
std::string delimited(const std::string& bytes) {
  std::string out;
  if (bytes.size() > 0x7F) {
    out += static_cast<char>((bytes.size() & 0x7F) | 0x80);
    out += static_cast<char>(bytes.size() >> 7);
  } else {
    out += static_cast<char>(bytes.size());
  }
  return out + bytes;
}
std::string field(int number, const std::string& bytes) {
  return static_cast<char>(number << 3 | 2) + delimited(bytes);
}

const std::string kLong(200, 'i');  // its length takes two bytes in either format

std::string version0() {
  return "HDTS\0"s + "\x02" +  //
         counted("alias") + counted("id") + counted("pw") + counted("MAPREDUCE") + counted("h:1") +
         counted("other") + "\x8f\xc8"s + kLong + counted("secret") +
         counted("HDFS_DELEGATION_TOKEN") + counted("ha-hdfs:ns1") + "\x01" + counted("key") +
         counted("value");
}

std::string version1() {
  const std::string token = field(1, kLong) + field(2, "secret") +
                            field(3, "HDFS_DELEGATION_TOKEN") + field(4, "10.0.0.1:8020");
  const std::string entry = field(1, "alias") + field(2, token) + field(3, "a secret beside");
  return "HDTS\1"s + delimited(field(1, entry) + field(2, field(1, "key")));
}

TEST(TokenFile, WritablesAreRead) {
  const auto tokens = parse_tokens(version0());
  ASSERT_TRUE(tokens.ok()) << tokens.error().message;
  ASSERT_EQ(tokens->size(), 2U);
  EXPECT_EQ((*tokens)[0].password, "pw");
  EXPECT_EQ((*tokens)[1].identifier, kLong);
  EXPECT_EQ((*tokens)[1].service, "ha-hdfs:ns1");
}

TEST(TokenFile, CutOrForeignBytesAreErrors) {
  for (const std::string& whole : {version0(), version1()}) {
    // After the tokens there are secrets that we do not read.
    const std::size_t end = whole[4] == 0 ? whole.size() - 11 : whole.size();
    for (std::size_t size = 0; size < end; ++size) {
      EXPECT_FALSE(parse_tokens(whole.substr(0, size)).ok()) << size;
    }
  }
  EXPECT_FALSE(parse_tokens("HDTS\2"s).ok());
  EXPECT_FALSE(parse_tokens("HDTS\0\x8c\x7f\xff\xff\xff"s).ok());
  EXPECT_FALSE(parse_tokens("HDTS\0\xff"s).ok());
  EXPECT_FALSE(parse_tokens("HDTS\0\1\x88\xff\xff\xff\xff\xff\xff\xff\xff"s).ok());
  EXPECT_FALSE(parse_tokens("HDTS\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s).ok());
}

TEST(TokenFile, ProtocolBuffersAreRead) {
  const auto tokens = parse_tokens(version1());
  ASSERT_TRUE(tokens.ok()) << tokens.error().message;
  ASSERT_EQ(tokens->size(), 1U);
  EXPECT_EQ((*tokens)[0].identifier, kLong);
  EXPECT_EQ((*tokens)[0].password, "secret");
  EXPECT_EQ((*tokens)[0].service, "10.0.0.1:8020");
}

TEST(TokenFile, UrlStringIsAWritableInUrlBase64) {
  // 01 ff 02 fb ef 00 00
  EXPECT_EQ(url_string({"\xff", "\xfb\xef", "", ""}), "Af8C--8AAA");
  EXPECT_EQ(url_string({"", "", "", ""}), "AAAAAA");
  EXPECT_TRUE(url_string({kLong, "", "", ""}).starts_with("j8hpaWlp"));
}

TEST(TokenFile, OnlyATokenForThisClusterIsFound) {
  const std::vector<DelegationToken> tokens = {{"a", "", "MAPREDUCE", "10.0.0.1:1"},
                                               {"b", "", "HDFS_DELEGATION_TOKEN", "10.0.0.2:1"},
                                               {"c", "", "WEBHDFS delegation", "10.0.0.1:8020"},
                                               {"d", "", "HDFS_DELEGATION_TOKEN", "ha-hdfs:ns1"}};
  EXPECT_EQ(find_token(tokens, {"10.0.0.1:9870"})->identifier, "c");
  EXPECT_EQ(find_token(tokens, {"ha-hdfs:ns1"})->identifier, "d");
  EXPECT_EQ(find_token(tokens, {"ha-hdfs:ns2", "10.0.0.3:1"}), nullptr);
}

TEST(TokenFile, OneThatEverybodyMayReadIsRefused) {
  char name[] = "/tmp/fl-token.XXXXXX";
  const int fd = mkstemp(name);
  ASSERT_GE(fd, 0);
  const std::string bytes = version0();
  ASSERT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_TRUE(read_token_file(name).ok());
  fchmod(fd, 0644);
  const auto open = read_token_file(name);
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().kind, ErrorClass::permission);
  close(fd);
  std::filesystem::remove(name);
  EXPECT_FALSE(read_token_file(name).ok());
  EXPECT_FALSE(read_token_file("/").ok());
}

}  // namespace
}  // namespace fl
