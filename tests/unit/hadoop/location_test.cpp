#include "common/hadoop/location.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace fl {
namespace {

using Properties = std::map<std::string, std::string>;
using Urls = std::vector<std::string>;

HadoopConfig config_of(const Properties& properties) {
  char name[] = "/tmp/fl-hadoop-location.XXXXXX";
  const int fd = mkstemp(name);
  EXPECT_GE(fd, 0);
  close(fd);
  std::ofstream out(name);
  out << "<configuration>";
  for (const auto& [key, value] : properties) {
    out << "<property><name>" << key << "</name><value>" << value << "</value></property>";
  }
  out << "</configuration>";
  out.close();
  auto config = HadoopConfig::load_files({name});
  std::filesystem::remove(name);
  EXPECT_TRUE(config.ok());
  return *config;
}

HdfsLocation located(const std::string& path, const Properties& properties,
                     const std::string& user = "u") {
  const auto location = resolve(path, config_of(properties), user);
  EXPECT_TRUE(location.ok()) << location.error().message;
  EXPECT_TRUE(location.ok() && location->has_value()) << path;
  return location.ok() && location->has_value() ? **location : HdfsLocation{};
}

std::string refused(const std::string& path, const Properties& properties = {}) {
  const auto location = resolve(path, config_of(properties), "u");
  EXPECT_FALSE(location.ok()) << path;
  if (location.ok()) {
    return "";
  }
  EXPECT_EQ(location.error().kind, ErrorClass::config);
  return location.error().message;
}

const Properties kHa = {{"fs.defaultFS", "hdfs://ns1"},
                        {"dfs.nameservices", "ns1, ns2"},
                        {"dfs.ha.namenodes.ns1", "nn1, nn2,nn3"},
                        {"dfs.namenode.rpc-address.ns1.nn1", "a:8020"},
                        {"dfs.namenode.http-address.ns1.nn1", "a:1234"},
                        {"dfs.namenode.rpc-address.ns1.nn2", "b:8020"},
                        {"dfs.namenode.rpc-address.ns1.nn3", "c:8020"},
                        {"dfs.namenode.http-address.ns1.nn3", "0.0.0.0:5"},
                        {"dfs.namenode.https-address.ns1.nn1", "a:4321"}};

TEST(HdfsLocation, NothingWithoutSchemeAndDefault) {
  const auto location = resolve("fl-data", config_of({}), "u");
  ASSERT_TRUE(location.ok());
  EXPECT_FALSE(location->has_value());
}

TEST(HdfsLocation, BarePathsGoToTheDefault) {
  const HdfsLocation absolute = located("/logs/%H:%M/x", {{"fs.defaultFS", "hdfs://nn:9000"}});
  EXPECT_EQ(absolute.path, "/logs/%H:%M/x");
  EXPECT_EQ(absolute.endpoints, Urls{"http://nn:9870"});
  EXPECT_EQ(absolute.scheme, HdfsLocation::Scheme::hdfs);
  EXPECT_EQ(absolute.user, "u");
  EXPECT_EQ(located("fl-data", {{"fs.defaultFS", "hdfs://nn"}}).path, "fl-data");
}

TEST(HdfsLocation, ConfiguredHttpAddressIsOfItsOwnClusterOnly) {
  const Properties own = {{"fs.defaultFS", "hdfs://nn:9000"},
                          {"dfs.namenode.http-address", "0.0.0.0:5555"}};
  EXPECT_EQ(located("/x", own).endpoints, Urls{"http://nn:5555"});
  EXPECT_EQ(located("hdfs://NN/x", own).endpoints, Urls{"http://NN:5555"});
  EXPECT_EQ(located("hdfs:///x", own).endpoints, Urls{"http://nn:5555"});
  EXPECT_EQ(located("hdfs://other:9000/x", own).endpoints, Urls{"http://other:9870"});
  EXPECT_EQ(located("hdfs://nn:9001/x", own).endpoints, Urls{"http://nn:9870"});
  EXPECT_EQ(located("/x", {{"dfs.namenode.rpc-address", "r:8020"},
                           {"fs.defaultFS", "hdfs://r"},
                           {"dfs.namenode.http-address", "w:50070"}})
                .endpoints,
            Urls{"http://w:50070"});
}

TEST(HdfsLocation, NameserviceGivesEachNameNode) {
  const Urls all = {"http://a:1234", "http://b:9870", "http://c:5"};
  EXPECT_EQ(located("/x", kHa).endpoints, all);
  EXPECT_EQ(located("hdfs://ns1/x", kHa).endpoints, all);
  EXPECT_EQ(located("webhdfs://ns1/x", kHa).endpoints, all);
  const Urls secure = {"https://a:4321", "https://b:9871", "https://c:9871"};
  EXPECT_EQ(located("swebhdfs://ns1/x", kHa).endpoints, secure);
  Properties https = kHa;
  https["dfs.http.policy"] = "HTTPS_ONLY";
  EXPECT_EQ(located("/x", https).endpoints, secure);
  EXPECT_NE(refused("hdfs://ns2/x", kHa).find("ns2"), std::string::npos);
}

TEST(HdfsLocation, WebUrlsAreLiteral) {
  const HdfsLocation web = located("webhdfs://h:14000/a b", {{"fs.defaultFS", "hdfs://nn"}});
  EXPECT_EQ(web.endpoints, Urls{"http://h:14000"});
  EXPECT_EQ(web.path, "/a b");
  EXPECT_EQ(located("webhdfs://h/", {}).endpoints, Urls{"http://h:9870"});
  EXPECT_EQ(located("swebhdfs://[::1]:7/", {}).endpoints, Urls{"https://[::1]:7"});
}

TEST(HdfsLocation, LocalFiles) {
  const HdfsLocation file = located("file:///tmp/x", {});
  EXPECT_EQ(file.scheme, HdfsLocation::Scheme::file);
  EXPECT_EQ(file.path, "/tmp/x");
  EXPECT_TRUE(file.endpoints.empty());
  EXPECT_EQ(located("x", {{"fs.defaultFS", "file:///"}}).scheme, HdfsLocation::Scheme::file);
  refused("file://tmp/x");
}

TEST(HdfsLocation, WhatIsNotServedIsRefused) {
  EXPECT_NE(refused("viewfs://c/x").find("viewfs"), std::string::npos);
  EXPECT_NE(refused("/x", {{"fs.defaultFS", "s3a://bucket"}}).find("s3a"), std::string::npos);
  refused("hdfs:///x");
  refused("hdfs:///x", {{"fs.defaultFS", "webhdfs://h:1"}});
  refused("/x", {{"fs.defaultFS", "nn:9000"}});
  for (const char* bad :
       {"hdfs://user@nn/x", "webhdfs://h:0/", "webhdfs://h:65536/", "webhdfs://h:/",
        "webhdfs://h:1?x/", "webhdfs://:1/", "webhdfs://[x/", "webhdfs://a b/"}) {
    refused(bad);
  }
}

TEST(HdfsLocation, UserComesFromOptionThenEnvironmentThenLogin) {
  setenv("HADOOP_USER_NAME", "env", 1);
  EXPECT_EQ(located("webhdfs://h/", {}, "option").user, "option");
  EXPECT_EQ(located("webhdfs://h/", {}, "").user, "env");
  unsetenv("HADOOP_USER_NAME");
  EXPECT_NE(located("webhdfs://h/", {}, "").user, "");
}

}  // namespace
}  // namespace fl
