// The addresses of metastores.
#include "common/metastore/link.h"

#include <string>

#include <gtest/gtest.h>

namespace fl {
namespace {

std::string shown(const std::string& text) {
  const auto read = parse_metastore_addresses(text);
  if (!read) {
    return "error " + std::to_string(static_cast<int>(read.error().kind));
  }
  std::string out;
  for (const MetastoreAddress& address : *read) {
    out += (out.empty() ? "" : " ") + address.text();
  }
  return out;
}

TEST(MetastoreAddresses, AreOfThriftOrHttp) {
  EXPECT_EQ(shown("thrift://ms:9000"), "thrift://ms:9000");
  EXPECT_EQ(shown("ms"), "thrift://ms:9083");
  EXPECT_EQ(shown("thrift://[::1]:9/"), "thrift://[::1]:9");
  EXPECT_EQ(shown("thrift://[::1]"), "thrift://[::1]:9083");
  EXPECT_EQ(shown("http://ms:9001"), "http://ms:9001/metastore");
  EXPECT_EQ(shown("https://ms/x"), "https://ms/x");
  EXPECT_EQ(shown("thrift://a:1, thrift://b:2"), "thrift://a:1 thrift://b:2");
}

TEST(MetastoreAddresses, OthersAreRefused) {
  for (const char* const text : {"", "ftp://a:1", "thrift://", "a:1,,b:2", "a:x", "http://",
                                 "http:///m", "http://me@ms/", "a b:1", "thrift://a:70000"}) {
    EXPECT_EQ(shown(text), "error 64") << text;
  }
}

}  // namespace
}  // namespace fl
