// Flume's properties of the hdfs sink: each is understood in Flume's unit and with Flume's default,
// or has no effect over REST and says why. What they do is tested where it happens; here is what
// reaches the sink, the client and the files. `Property:` names the one a test is about.
#include <sys/stat.h>

#include <map>

#include <gtest/gtest.h>

#include "common/component/component_type.h"
#include "common/option/properties.h"
#include "tests/unit/sink/hdfs_test_help.h"
#include "tools/fl-sink/hdfs/bucket_names.h"
#include "tools/fl-sink/hdfs/webhdfs_store.h"
#include "tools/fl-sink/hdfs/where.h"

namespace fl {

ComponentType hdfs_sink();

namespace {

struct Applied {
  HdfsOptions options;
  std::vector<Finding> findings;
};

std::vector<Property> lines_of(const std::map<std::string, std::string>& properties) {
  std::vector<Property> lines;
  for (const auto& [key, value] : properties) {
    lines.push_back({key, value, lines.size() + 1});
  }
  return lines;
}

Applied apply(std::map<std::string, std::string> properties) {
  properties.emplace("hdfs.fileType", "DataStream");
  const ComponentType type = hdfs_sink();
  const std::shared_ptr<void> options = type.options.make();
  Applied applied;
  applied.findings = apply_properties(type.options, lines_of(properties), options.get());
  EXPECT_FALSE(has_error(applied.findings)) << findings_json(applied.findings);
  EXPECT_EQ(findings_json(applied.findings).find("unknown property"), std::string::npos)
      << findings_json(applied.findings);
  applied.options = *std::static_pointer_cast<HdfsOptions>(options);
  return applied;
}

bool refuses(const std::map<std::string, std::string>& properties) {
  const ComponentType type = hdfs_sink();
  const std::shared_ptr<void> options = type.options.make();
  return has_error(apply_properties(type.options, lines_of(properties), options.get()));
}

WebHdfsStoreSettings client_of(const HdfsOptions& options) {
  HdfsOptions placed = options;
  placed.path = "hdfs://nn.example:9000/x";
  const Result<Where> where = find_where(placed, false);
  EXPECT_TRUE(where.ok());
  Result<WebHdfsStoreSettings> settings = webhdfs_store_settings(placed, where->location);
  EXPECT_TRUE(settings.ok());
  return std::move(*settings);
}

// Property: hdfs.path  Property: hdfs.filePrefix  Property: hdfs.fileSuffix
TEST(HdfsProperties, NamesAreTakenAsTheyAre) {
  const Applied applied = apply(
      {{"hdfs.path", "/logs/%Y"}, {"hdfs.filePrefix", "web-%{host}"}, {"hdfs.fileSuffix", ".log"}});
  EXPECT_EQ(applied.options.path, "/logs/%Y");
  EXPECT_EQ(applied.options.file_prefix, "web-%{host}");
  EXPECT_EQ(applied.options.file_suffix, ".log");
  EXPECT_EQ(apply({}).options.file_prefix, "FlumeData");
}

// Property: hdfs.pathRules
TEST(HdfsProperties, FlumesFilesKeepFlumesRuleOfEscapes) {
  const HdfsOptions flume = apply({{"hdfs.filePrefix", "%{host"}}).options;
  EXPECT_TRUE(BucketNames::make(flume, "/logs/%Q/%Y").ok());
  HdfsOptions ours;
  for (const char* const path : {"/logs/%Q", "/logs/%{host", "/logs/%{}"}) {
    const auto names = BucketNames::make(ours, path);
    ASSERT_FALSE(names.ok()) << path;
    EXPECT_EQ(names.error().kind, ErrorClass::config);
  }
  HdfsOptions bare = flume;
  bare.path = "hdfs://nn.example:9000";
  EXPECT_EQ(find_where(bare, false)->path, "/") << "Flume appends a slash and the name";
  bare.path_rules = "strict";
  EXPECT_EQ(find_where(bare, false).error().kind, ErrorClass::usage);
}

// Property: hdfs.rollInterval  Property: hdfs.rollSize  Property: hdfs.rollCount
// Property: hdfs.idleTimeout
TEST(HdfsProperties, RollingHasFlumesUnitsAndDefaults) {
  const HdfsOptions flume = apply({}).options;
  EXPECT_EQ(flume.roll_interval.ms, 30'000);
  EXPECT_EQ(flume.roll_size.value, 1024u);
  EXPECT_EQ(flume.roll_count, 10u);
  EXPECT_EQ(flume.idle_timeout.ms, 0);
  const HdfsOptions given = apply({{"hdfs.rollInterval", "600"},
                                   {"hdfs.rollSize", "134217728"},
                                   {"hdfs.rollCount", "0"},
                                   {"hdfs.idleTimeout", "90"}})
                                .options;
  EXPECT_EQ(given.roll_interval.ms, 600'000);
  EXPECT_EQ(given.roll_size.value, 128u << 20);
  EXPECT_EQ(given.roll_count, 0u);
  EXPECT_EQ(given.idle_timeout.ms, 90'000);
}

// Property: hdfs.maxOpenFiles  Property: hdfs.threadsPoolSize
TEST(HdfsProperties, LimitsHaveFlumesDefaults) {
  EXPECT_EQ(apply({}).options.max_open_files, 5000u);
  EXPECT_EQ(apply({}).options.threads_pool_size, 10u);
  EXPECT_EQ(apply({{"hdfs.maxOpenFiles", "7"}}).options.max_open_files, 7u);
  EXPECT_EQ(apply({{"hdfs.threadsPoolSize", "3"}}).options.threads_pool_size, 3u);
  EXPECT_TRUE(refuses({{"hdfs.maxOpenFiles", "-1"}}));
}

// Property: hdfs.round  Property: hdfs.roundValue  Property: hdfs.roundUnit
// Property: hdfs.timeZone  Property: hdfs.useLocalTimeStamp
TEST(HdfsProperties, TimesOfPaths) {
  const HdfsOptions given = apply({{"hdfs.round", "true"},
                                   {"hdfs.roundValue", "10"},
                                   {"hdfs.roundUnit", "minute"},
                                   {"hdfs.timeZone", "Europe/Berlin"},
                                   {"hdfs.useLocalTimeStamp", "true"}})
                                .options;
  EXPECT_TRUE(given.round);
  EXPECT_EQ(given.round_value, 10u);
  EXPECT_EQ(given.round_unit, "minute");
  EXPECT_EQ(given.time_zone, "Europe/Berlin");
  EXPECT_TRUE(given.use_local_time_stamp);
  EXPECT_FALSE(apply({}).options.round);
}

// Property: hdfs.inUsePrefix  Property: hdfs.inUseSuffix  Property: hdfs.emptyInUseSuffix
// Property: hdfs.batchSize  Property: hdfs.minBlockReplicas  Property: hdfs.rollTimerPoolSize
// Property: hdfs.useRawLocalFileSystem
TEST(HdfsProperties, WhatHasNoEffectOverRestSaysWhy) {
  const std::map<std::string, std::string> ignored = {
      {"hdfs.inUsePrefix", "tmp-"},          {"hdfs.inUseSuffix", ".part"},
      {"hdfs.emptyInUseSuffix", "true"},     {"hdfs.batchSize", "1000"},
      {"hdfs.minBlockReplicas", "1"},        {"hdfs.rollTimerPoolSize", "2"},
      {"hdfs.useRawLocalFileSystem", "true"}};
  const Applied applied = apply(ignored);
  ASSERT_EQ(applied.findings.size(), ignored.size());
  for (const auto& [key, value] : ignored) {
    EXPECT_TRUE(std::any_of(applied.findings.begin(), applied.findings.end(),
                            [&key = key](const Finding& finding) {
                              return finding.message.starts_with("property '" + key +
                                                                 "' has no effect: ") &&
                                     finding.message.size() > key.size() + 40;
                            }))
        << key;
  }
}

TEST(HdfsProperties, VisibleTemporaryNamesAreRefusedForTheSakeOfSparkAndHive) {
  for (const char* const key : {"hdfs.inUsePrefix", "hdfs.inUseSuffix", "hdfs.emptyInUseSuffix"}) {
    const Applied applied = apply({{key, "true"}});
    ASSERT_EQ(applied.findings.size(), 1u) << key;
    const std::string& message = applied.findings.front().message;
    EXPECT_NE(message.find("Spark and Hive"), std::string::npos) << message;
    EXPECT_NE(message.find("count their events twice"), std::string::npos) << message;
  }
}

// Property: hdfs.useRawLocalFileSystem
TEST(HdfsProperties, LocalFilesHaveNoChecksumFilesBesideThem) {
  const ScratchDir dir;
  HdfsSink sink(local_options(dir));
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  ASSERT_TRUE(sink.deliver(events.add("a").batch()).ok());
  ASSERT_TRUE(drain(sink, 1).ok());
  EXPECT_EQ(dir.files("out").size(), 1u);
}

// Property: hdfs.callTimeout
TEST(HdfsProperties, CallTimeoutIsMillisecondsInAFlumeFile) {
  EXPECT_EQ(client_of(apply({}).options).client.call_timeout_ms, 30'000);
  EXPECT_EQ(client_of(apply({{"hdfs.callTimeout", "1500"}}).options).client.call_timeout_ms, 1'500);
  // 0: none, which is a day.
  EXPECT_GE(client_of(apply({{"hdfs.callTimeout", "0"}}).options).client.call_timeout_ms,
            86'400'000);
}

// Property: hdfs.kerberosPrincipal  Property: hdfs.kerberosKeytab
TEST(HdfsProperties, AKeytabMeansKerberos) {
  EXPECT_FALSE(client_of(apply({}).options).client.kerberos);
  const WebHdfsSettings client = client_of(apply({{"hdfs.kerberosPrincipal", "flume/_HOST@REALM"},
                                                  {"hdfs.kerberosKeytab", "/etc/flume.keytab"}})
                                               .options)
                                     .client;
  EXPECT_TRUE(client.kerberos);
  EXPECT_EQ(client.principal, "flume/_HOST@REALM");
  EXPECT_EQ(client.keytab, "/etc/flume.keytab");
  EXPECT_FALSE(client_of(apply({{"hdfs.kerberosKeytab", "/k"}, {"hdfs.auth", "simple"}}).options)
                   .client.kerberos);
}

// Property: hdfs.proxyUser
TEST(HdfsProperties, ProxyUserIsWhoWeActAs) {
  EXPECT_EQ(client_of(apply({{"hdfs.proxyUser", "web"}}).options).client.proxy_user, "web");
}

// Property: hdfs.closeTries  Property: hdfs.retryInterval
TEST(HdfsProperties, TriesAndTheirPauses) {
  EXPECT_EQ(apply({}).options.close_tries, 0);
  EXPECT_EQ(apply({}).options.retry_interval.ms, 180'000);
  EXPECT_EQ(apply({{"hdfs.closeTries", "3"}}).options.close_tries, 3);
  EXPECT_EQ(apply({{"hdfs.closeTries", "-1"}}).options.close_tries, 0);  // no limit, as in Flume
  EXPECT_EQ(apply({{"hdfs.retryInterval", "20"}}).options.retry_interval.ms, 20'000);
}

// Property: hdfs.permission  Property: hdfs.replication  Property: hdfs.blockSize
// Property: hdfs.syncBlock
TEST(HdfsProperties, WhatFilesAreMadeLike) {
  const WebHdfs::Upload usual = client_of(apply({}).options).upload;
  EXPECT_EQ(usual.permission, "644");
  EXPECT_EQ(usual.block_size, 0u);
  EXPECT_EQ(usual.replication, 0);
  EXPECT_FALSE(usual.sync_block);
  const WebHdfs::Upload given = client_of(apply({{"hdfs.permission", "600"},
                                                 {"hdfs.replication", "2"},
                                                 {"hdfs.blockSize", "1048576"},
                                                 {"hdfs.syncBlock", "true"}})
                                              .options)
                                    .upload;
  EXPECT_EQ(given.permission, "600");
  EXPECT_EQ(given.block_size, 1u << 20);
  EXPECT_EQ(given.replication, 2);
  EXPECT_TRUE(given.sync_block);
}

// Property: hdfs.permission
TEST(HdfsProperties, TheModeIsThatOfLocalFilesToo) {
  const ScratchDir dir;
  HdfsOptions options = local_options(dir);
  options.permission = "602";
  HdfsSink sink(options);
  ASSERT_TRUE(sink.open({}).ok());
  Events events;
  ASSERT_TRUE(sink.deliver(events.add("a").batch()).ok());
  ASSERT_TRUE(drain(sink, 1).ok());
  struct stat info {};
  ASSERT_EQ(stat((dir / ("out/" + dir.files("out")[0])).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0602u);
  for (const char* wrong : {"9", "rw", "6444", "64", "1777"}) {
    options.permission = wrong;
    EXPECT_FALSE(HdfsSink(options).open({}).ok()) << wrong;
  }
}

// Property: hdfs.httpfs  Property: hdfs.connectTo  Property: hdfs.cacert
TEST(HdfsProperties, HowHdfsIsReached) {
  const WebHdfsSettings client = client_of(apply({{"hdfs.httpfs", "https://gw:14000"},
                                                  {"hdfs.connectTo", "gw:14000=127.0.0.1:1"},
                                                  {"hdfs.cacert", "/ca.pem"},
                                                  {"hdfs.cert", "/c.pem"},
                                                  {"hdfs.key", "/k.pem"}})
                                               .options)
                                     .client;
  EXPECT_TRUE(client.httpfs);
  ASSERT_EQ(client.endpoints.size(), 1u);
  EXPECT_TRUE(client.endpoints[0].starts_with("https://gw:14000"));
  ASSERT_EQ(client.connect_map.size(), 1u);
  EXPECT_EQ(client.connect_map[0].to_host, "127.0.0.1");
  EXPECT_EQ(client.tls.ca_file, "/ca.pem");
  EXPECT_EQ(client.tls.certificate, "/c.pem");
  EXPECT_EQ(client.tls.key, "/k.pem");
}

}  // namespace
}  // namespace fl
