#include "common/hadoop/config.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fl {
namespace {

class HadoopConfigTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/fl-hadoop-config.XXXXXX";
    directory_ = mkdtemp(name);
    unsetenv("HADOOP_CONF_DIR");
    unsetenv("HADOOP_HOME");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& name, const std::string& text) {
    std::string path = directory_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
    return path;
  }
  static std::string property(const std::string& name, const std::string& value,
                              const std::string& more = "") {
    return "<property><name>" + name + "</name><value>" + value + "</value>" + more +
           "</property>\n";
  }
  static std::string site(const std::string& content) {
    return "<?xml version=\"1.0\"?>\n<?xml-stylesheet type=\"text/xsl\"?>\n"
           "<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\">\n" +
           content + "</configuration>\n";
  }
  HadoopConfig read(const std::string& content) {
    auto config = HadoopConfig::load_files({write("x.xml", site(content))});
    EXPECT_TRUE(config.ok()) << config.error().message;
    return config.ok() ? *config : HadoopConfig();
  }
  std::string error_of(const std::string& text) {
    const auto config = HadoopConfig::load_files({write("bad.xml", text)});
    EXPECT_FALSE(config.ok());
    if (config.ok()) {
      return "";
    }
    EXPECT_EQ(config.error().kind, ErrorClass::config);
    return config.error().message;
  }

  std::string directory_;
};

TEST_F(HadoopConfigTest, LaterFileWinsUnlessEarlierIsFinal) {
  write("core-site.xml", site(property("a", "1") + property("b", "1", "<final> true </final>")));
  write("hdfs-site.xml", site(property("a", "2") + property("b", "2")));
  const auto config = HadoopConfig::load(directory_);
  ASSERT_TRUE(config.ok()) << config.error().message;
  EXPECT_EQ(config->get("a"), "2");
  EXPECT_EQ(config->get("b"), "1");
  EXPECT_EQ(config->get("c"), std::nullopt);
  EXPECT_EQ(config->files().size(), 2U);
}

TEST_F(HadoopConfigTest, ValuesAreTrimmedAndMayBeCutByComments) {
  const HadoopConfig config =
      read(property(" a ", "\n  x<!-- no -->y<![CDATA[&z]]>\t\n") + property("empty", ""));
  EXPECT_EQ(config.get("a"), "xy&z");
  EXPECT_EQ(config.get("empty"), "");
}

TEST_F(HadoopConfigTest, AttributesAreAPropertyToo) {
  const HadoopConfig config = read(
      "<property name=\"a\" value=\"1\" final=\"true\"/>"
      "<property name=\"a\" value=\"2\"/>"
      "<property name=\"c\"/>");
  EXPECT_EQ(config.get("a"), "1");
  EXPECT_EQ(config.get("c"), std::nullopt);
}

TEST_F(HadoopConfigTest, VariablesExpand) {
  setenv("FL_TEST_SET", "set", 1);
  unsetenv("FL_TEST_UNSET");
  const HadoopConfig config = read(
      property("host", "nn") + property("port", "9000") + property("address", "${host}:${port}") +
      property("url", "hdfs://${address}/") + property("which", "port") +
      property("nested", "${${which}}") + property("env", "${env.FL_TEST_SET}") +
      property("env-default", "${env.FL_TEST_UNSET:-d-e} ${env.FL_TEST_SET:-no}") +
      property("unknown", "${nowhere} ${host}") + property("open", "a${host"));
  EXPECT_EQ(config.get("url"), "hdfs://nn:9000/");
  EXPECT_EQ(config.get("nested"), "9000");
  EXPECT_EQ(config.get("env"), "set");
  EXPECT_EQ(config.get("env-default"), "d-e set");
  EXPECT_EQ(config.get("unknown"), "${nowhere} ${host}");
  EXPECT_EQ(config.get("open"), "a${host");
}

TEST_F(HadoopConfigTest, EndlessExpansionEnds) {
  std::string content = property("self", "${self}") + property("grow", "${grow}${grow}");
  content += property("a0", std::string(4096, 'x'));
  for (int i = 1; i < 20; ++i) {
    const std::string before = "${a" + std::to_string(i - 1) + "}";
    content += property("a" + std::to_string(i), before + before + before);
  }
  const HadoopConfig config = read(content);
  EXPECT_EQ(config.get("self"), "${self}");
  EXPECT_LT(config.get("grow")->size(), 1000U);
  EXPECT_LT(config.get("a19")->size(), 3U << 20);
}

TEST_F(HadoopConfigTest, DeprecatedNamesLeadToTheSameValue) {
  const HadoopConfig config =
      read(property("fs.default.name", "hdfs://old:1") + property("dfs.http.address", "old:2"));
  EXPECT_EQ(config.get("fs.defaultFS"), "hdfs://old:1");
  EXPECT_EQ(config.get("fs.default.name"), "hdfs://old:1");
  EXPECT_EQ(config.get("dfs.namenode.http-address"), "old:2");
}

TEST_F(HadoopConfigTest, IncludesAreRelativeToTheirFileAndFallBack) {
  write("sub/more.xml", site(property("a", "included")));
  const HadoopConfig config = read(
      "<xi:include href=\"sub/more.xml\"/>"
      "<xi:include href=\"none.xml\"><xi:fallback>" +
      property("b", "fallback") + "</xi:fallback></xi:include>" +
      "<xi:include href=\"none.xml\"><xi:fallback/></xi:include>");
  EXPECT_EQ(config.get("a"), "included");
  EXPECT_EQ(config.get("b"), "fallback");
}

TEST_F(HadoopConfigTest, BadIncludesAreErrors) {
  EXPECT_NE(error_of(site("<xi:include href=\"none.xml\"/>")).find("none.xml"), std::string::npos);
  EXPECT_NE(error_of(site("<xi:include href=\"http://x/y.xml\"/>")).find("line 4"),
            std::string::npos);
  EXPECT_NE(error_of(site("<xi:include href=\"bad.xml\"/>")).find("include each other"),
            std::string::npos);
}

TEST_F(HadoopConfigTest, DamageNamesFileAndPlace) {
  const std::string message = error_of("<configuration>\n<property></wrong></configuration>");
  EXPECT_NE(message.find("bad.xml', line 2"), std::string::npos) << message;
  EXPECT_NE(error_of("").find("bad.xml"), std::string::npos);
  EXPECT_NE(error_of("<html/>").find("<configuration>"), std::string::npos);
  EXPECT_NE(error_of(std::string((16 << 20) + 1, ' ')).find("16 MiB"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += "<configuration>";
  }
  std::string end;
  for (int i = 0; i < 100'000; ++i) {
    end += "</configuration>";
  }
  EXPECT_NE(error_of(deep + end).find("nested"), std::string::npos);
}

TEST_F(HadoopConfigTest, ExplicitDirectoryMustHoldAFile) {
  EXPECT_FALSE(HadoopConfig::load(directory_).ok());
}

TEST_F(HadoopConfigTest, EnvironmentDecidesWhereToLook) {
  write("home/etc/hadoop/core-site.xml", site(property("a", "home")));
  write("conf/core-site.xml", site(property("a", "conf")));
  setenv("HADOOP_HOME", (directory_ + "/home").c_str(), 1);
  auto config = HadoopConfig::load("");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->get("a"), "home");
  setenv("HADOOP_CONF_DIR", (directory_ + "/conf").c_str(), 1);
  config = HadoopConfig::load("");
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->get("a"), "conf");
  // An empty HADOOP_CONF_DIR leads nowhere else: that might be another cluster.
  setenv("HADOOP_CONF_DIR", (directory_ + "/nothing").c_str(), 1);
  config = HadoopConfig::load("");
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(config->found());
  ASSERT_EQ(config->searched().size(), 1U);
  EXPECT_NE(config->searched()[0].find("nothing"), std::string::npos);
}

}  // namespace
}  // namespace fl
