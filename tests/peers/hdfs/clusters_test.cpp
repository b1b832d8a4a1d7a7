// The client against clusters with two NameNodes, HttpFS, Kerberos and TLS: run by test_clusters,
// which selects by a filter what there is (Ha*, Gateway*, Secure*).
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/base/unique_fd.h"
#include "common/hadoop/config.h"
#include "common/hadoop/location.h"
#include "common/hadoop/session.h"
#include "common/hadoop/webhdfs.h"
#include "tests/peers/hdfs/peer.h"

namespace fl {
namespace {

class ClusterTest : public testing::Test {
 protected:
  /// A client's settings as the sink makes them, from the configuration.
  static WebHdfs::Settings settings_of(const HdfsLocationOptions& options = {}) {
    WebHdfs::Settings settings;
    const auto config = HadoopConfig::load("");
    EXPECT_TRUE(config.ok()) << config.error().message;
    const auto location = resolve("/", *config, options);
    EXPECT_TRUE(location.ok() && location->has_value()) << location.error().message;
    if (location.ok() && location->has_value()) {
      settings.endpoints = (*location)->endpoints;
      settings.user = (*location)->user;
      settings.httpfs = (*location)->httpfs;
      settings.kerberos = (*location)->kerberos;
      settings.service = (*location)->service;
    }
    settings.connect_timeout_ms = 10'000;
    settings.call_timeout_ms = 10'000;  // the machine may be busy
    if (const std::string tls = environment("HDFS_TLS"); !tls.empty()) {
      settings.tls = {tls + "/ca.pem", tls + "/client.pem", tls + "/client.key"};
    }
    return settings;
  }
  static std::string path(const std::string& name) {
    return std::string("/tmp/") + testing::UnitTest::GetInstance()->current_test_info()->name() +
           "/" + name;
  }
  static HdfsStatus put(WebHdfs& client, const std::string& name, const std::string& text,
                        WebHdfs::Upload upload = {}) {
    const UniqueFd fd = file_with(text);
    upload.fd = fd.get();
    upload.length = text.size();
    return client.create(name, upload);
  }
  static std::uint64_t length_of(WebHdfs& client, const std::string& name) {
    const auto status = client.status(name);
    return status.ok() && status->has_value() ? (*status)->length : UINT64_MAX;
  }
  /// All that a sink does with one file.
  static void commit(WebHdfs& client, const std::string& name, const std::string& text) {
    const HdfsStatus made = patiently([&] { return client.mkdirs(path("")); });
    ASSERT_TRUE(made.ok()) << made.error().message;
    int attempt = 0;
    std::string temporary;
    const HdfsStatus created = patiently([&] {
      temporary = path("_" + name + "." + std::to_string(attempt++));
      return put(client, temporary, text);
    });
    ASSERT_TRUE(created.ok()) << created.error().message;
    const auto status = patiently([&] { return client.status(temporary); });
    ASSERT_TRUE(status.ok()) << status.error().message;
    ASSERT_TRUE(status->has_value());
    EXPECT_EQ((*status)->length, text.size());
    const HdfsStatus renamed =
        patiently([&] { return client.rename(temporary, path(name), **status); });
    ASSERT_TRUE(renamed.ok()) << renamed.error().message;
    const auto stored = patiently([&] { return client.status(path(name)); });
    ASSERT_TRUE(stored.ok()) << stored.error().message;
    ASSERT_TRUE(stored->has_value());
    EXPECT_EQ((*stored)->length, text.size());
  }
};

// ---- Two NameNodes ----

using Ha = ClusterTest;

TEST_F(Ha, ActiveNameNodeIsFoundAndFollowed) {
  WebHdfs::Settings settings = settings_of();
  ASSERT_EQ(settings.endpoints.size(), 2U);
  settings.session = make_hdfs_session(settings);
  WebHdfs client(settings);
  ASSERT_TRUE(patiently([&] { return client.home_directory(); }).ok());
  EXPECT_EQ(settings.session->active().index, 0U);
  commit(client, "a", "before");
  ASSERT_EQ(cluster("failover", "nn2"), 0);
  commit(client, "b", "after");
  EXPECT_EQ(settings.session->active().index, 1U);
  EXPECT_TRUE(settings.session->active().is_known);
  ASSERT_EQ(cluster("failover", "nn1"), 0);
  commit(client, "c", "back");
}

TEST_F(Ha, DeadActiveNameNodeIsReplaced) {
  WebHdfs client(settings_of());
  commit(client, "a", "before");
  ASSERT_EQ(cluster("kill", "nn1"), 0);
  const HdfsStatus none = client.mkdirs(path("d"));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().retry(), HdfsRetry::soon) << none.error().message;
  EXPECT_NE(none.error().waiting_for.find("standby"), std::string::npos)
      << none.error().waiting_for;
  ASSERT_EQ(cluster("forceactive", "nn2"), 0);
  commit(client, "b", "after");
  ASSERT_EQ(cluster("restart", "nn1"), 0);
  ASSERT_EQ(cluster("failover", "nn1"), 0);
}

TEST_F(Ha, FrozenActiveNameNodeIsReplaced) {
  WebHdfs::Settings settings = settings_of();
  settings.call_timeout_ms = 3000;
  WebHdfs client(settings);
  commit(client, "a", "before");
  ASSERT_EQ(cluster("freeze", "nn1"), 0);
  const HdfsStatus none = client.mkdirs(path("d"));
  ASSERT_EQ(cluster("thaw", "nn1"), 0);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().retry(), HdfsRetry::soon) << none.error().message;
  commit(client, "b", "after");
}

// ---- HttpFS ----

class Gateway : public ClusterTest {
 protected:
  static WebHdfs::Settings settings_of() {
    HdfsLocationOptions options;
    options.httpfs = environment("HTTPFS_HTTP");
    return ClusterTest::settings_of(options);
  }
};

TEST_F(Gateway, FilesAreCommitted) {
  WebHdfs client(settings_of());
  const auto home = patiently([&] { return client.home_directory(); });
  ASSERT_TRUE(home.ok()) << home.error().message;
  std::string text;
  for (int i = 0; text.size() < 3'500'000; ++i) {
    text += "line " + std::to_string(i) + "\n";
  }
  commit(client, "a", text);
  EXPECT_TRUE(shell("-cat " + path("a")) == text);
  commit(client, "empty", "");
  commit(client, "odd name %2F+\xC3\xA4?&#", "x");
  const auto list = patiently([&] { return client.list(path("").substr(0, path("").size() - 1)); });
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->size(), 3U);
}

TEST_F(Gateway, NothingIsReplaced) {
  WebHdfs client(settings_of());
  commit(client, "a", "aa");
  commit(client, "b", "b");
  ASSERT_TRUE(client.mkdirs(path("d")).ok());
  const auto a = client.status(path("a"));
  ASSERT_TRUE(a.ok() && a->has_value());
  const HdfsStatus over = put(client, path("a"), "longer");
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().trouble, HdfsTrouble::exists) << over.error().message;
  for (const char* taken : {"b", "d"}) {
    const HdfsStatus done = client.rename(path("a"), path(taken), **a);
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().trouble, HdfsTrouble::exists) << done.error().message;
  }
  EXPECT_EQ(length_of(client, path("a")), 2U);
  EXPECT_EQ(length_of(client, path("b")), 1U);
  const HdfsStatus gone = client.rename(path("none"), path("e"));
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().trouble, HdfsTrouble::missing) << gone.error().message;
  const HdfsStatus orphan = put(client, path("no/a"), "x", {.create_parent = false});
  ASSERT_FALSE(orphan.ok());
  EXPECT_EQ(orphan.error().trouble, HdfsTrouble::missing) << orphan.error().message;
}

TEST_F(Gateway, PermissionBlockSizeAndReplicationAreHonoured) {
  WebHdfs client(settings_of());
  ASSERT_TRUE(put(client, path("a"), std::string(5000, 'x'),
                  {.block_size = 4096, .replication = 1, .permission = "600"})
                  .ok());
  ASSERT_TRUE(put(client, path("b"), "x").ok());
  EXPECT_EQ(shell("-stat '%o %r %a' " + path("a")), "4096 1 600\n");
  EXPECT_EQ(shell("-stat '%a' " + path("b")), "644\n");
}

TEST_F(Gateway, FailuresHaveTheirClass) {
  WebHdfs::Settings settings = settings_of();
  WebHdfs client(settings);
  commit(client, "a", "x");
  settings.user = "bob";
  WebHdfs bob(settings);
  const HdfsStatus denied = bob.mkdirs(path("bobs"));
  ASSERT_FALSE(denied.ok());
  EXPECT_EQ(denied.error().trouble, HdfsTrouble::permission) << denied.error().message;
  ASSERT_TRUE(client.mkdirs(path("names")).ok());
  ASSERT_EQ(cluster("admin", "-setQuota 1 " + path("names")), 0);
  const HdfsStatus quota = put(client, path("names/a"), "x");
  ASSERT_FALSE(quota.ok());
  EXPECT_EQ(quota.error().trouble, HdfsTrouble::quota) << quota.error().message;
  ASSERT_EQ(cluster("admin", "-safemode enter"), 0);
  const HdfsStatus safe = put(client, path("b"), "x");
  ASSERT_EQ(cluster("admin", "-safemode leave"), 0);
  ASSERT_FALSE(safe.ok());
  EXPECT_EQ(safe.error().trouble, HdfsTrouble::wait) << safe.error().message;
  EXPECT_NE(safe.error().waiting_for.find("safe mode"), std::string::npos);
}

TEST_F(Gateway, DiesAndComesBack) {
  WebHdfs client(settings_of());
  commit(client, "a", "x");
  ASSERT_EQ(cluster("kill", "httpfs"), 0);
  const HdfsStatus dead = put(client, path("b"), "x");
  ASSERT_FALSE(dead.ok());
  EXPECT_EQ(dead.error().retry(), HdfsRetry::soon) << dead.error().message;
  ASSERT_EQ(cluster("restart", "httpfs"), 0);
  commit(client, "b", "x");
}

// ---- Kerberos and TLS ----

class Secure : public ClusterTest {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(cluster("shell", "-mkdir -p /tmp"), 0);
    ASSERT_EQ(cluster("shell", "-chmod 1777 /tmp"), 0);
  }
  static WebHdfs::Settings settings_of(const std::string& user = "alice") {
    WebHdfs::Settings settings = ClusterTest::settings_of();
    EXPECT_TRUE(settings.kerberos);
    if (!user.empty()) {
      settings.keytab = environment("HDFS_KEYTABS") + "/" + user + ".keytab";
      settings.principal = user + "@EXAMPLE.COM";
    }
    return settings;
  }
  void TearDown() override { unsetenv("KRB5CCNAME"); }
};

TEST_F(Secure, KeytabLogsIn) {
  WebHdfs client(settings_of());
  const auto home = patiently([&] { return client.home_directory(); });
  ASSERT_TRUE(home.ok()) << home.error().message;
  EXPECT_EQ(*home, "/user/alice");
  commit(client, "a", std::string(3'000'000, 'x'));
  EXPECT_EQ(shell("-stat %u " + path("a")), "alice\n");
}

TEST_F(Secure, WithoutATicketItSaysKinit) {
  setenv("KRB5CCNAME", "FILE:/nonexistent/cache", 1);
  const auto home = WebHdfs(settings_of("")).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().kind, ErrorClass::permission);
  EXPECT_NE(home.error().hint.find("run kinit"), std::string::npos) << home.error().hint;
}

TEST_F(Secure, WrongPrincipalIsRefused) {
  WebHdfs::Settings settings = settings_of();
  settings.principal = "mallory@EXAMPLE.COM";
  const auto home = WebHdfs(settings).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().kind, ErrorClass::permission) << home.error().message;
  EXPECT_NE(home.error().message.find("mallory"), std::string::npos) << home.error().message;
}

TEST_F(Secure, NameAloneIsRefusedAndNotTriedWithKerberos) {
  WebHdfs::Settings settings = settings_of();
  settings.kerberos = false;
  const auto home = WebHdfs(settings).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().kind, ErrorClass::permission) << home.error().message;
}

// The tickets of this cluster live for HDFS_TICKET_SECONDS, its login cookies for a quarter.
void work_past_the_ticket(const std::function<void(int)>& work) {
  const int seconds = std::stoi(environment("HDFS_TICKET_SECONDS"));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds + 5);
  for (int i = 0; std::chrono::steady_clock::now() < end; ++i) {
    work(i);
    ASSERT_FALSE(testing::Test::HasFatalFailure());
  }
}

TEST_F(Secure, TicketThatExpiresIsTakenAnew) {
  // HttpFS gets a ticket with each request.
  WebHdfs::Settings settings = settings_of();
  settings.endpoints = {environment("HTTPFS_HTTP")};
  settings.httpfs = true;
  WebHdfs client(settings);
  work_past_the_ticket([&](int i) { commit(client, "a" + std::to_string(i), "x"); });
}

TEST_F(Secure, TokenNeedsNoKdc) {
  WebHdfs client(settings_of());
  commit(client, "first", "x");
  ASSERT_EQ(cluster("freeze", "kdc"), 0);
  work_past_the_ticket([&](int i) { commit(client, "a" + std::to_string(i), "x"); });
  EXPECT_EQ(cluster("thaw", "kdc"), 0);
  client.log_out();
  commit(client, "with a new token", "x");
}

TEST_F(Secure, CertificateOfAnotherAuthorityIsRefused) {
  WebHdfs::Settings settings = settings_of();
  settings.tls.ca_file = environment("HDFS_TLS") + "/other-ca.pem";
  const auto home = WebHdfs(settings).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().kind, ErrorClass::permission) << home.error().message;
  EXPECT_NE(home.error().hint.find("certificate authorities"), std::string::npos);
}

TEST_F(Secure, NameOfTheServerMustBeInItsCertificate) {
  WebHdfs::Settings settings = settings_of();
  const std::string port = settings.endpoints[0].substr(settings.endpoints[0].rfind(':') + 1);
  settings.endpoints[0] = "https://elsewhere:" + port;
  settings.connect_map = *parse_address_map("elsewhere:" + port + "=localhost:" + port);
  const auto home = WebHdfs(settings).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().kind, ErrorClass::permission) << home.error().message;
}

TEST_F(Secure, ServerThatWantsACertificateGetsNone) {
  WebHdfs::Settings settings = settings_of();
  settings.tls.certificate.clear();
  settings.tls.key.clear();
  EXPECT_FALSE(WebHdfs(settings).home_directory().ok());
}

TEST_F(Secure, GatewayTakesATicketToo) {
  WebHdfs::Settings settings = settings_of();
  settings.endpoints = {environment("HTTPFS_HTTP")};
  settings.httpfs = true;
  WebHdfs client(settings);
  const auto home = patiently([&] { return client.home_directory(); });
  ASSERT_TRUE(home.ok()) << home.error().message;
  EXPECT_EQ(*home, "/user/alice");
  commit(client, "a", std::string(3'000'000, 'x'));
  EXPECT_EQ(shell("-stat %u " + path("a")), "alice\n");
}

}  // namespace
}  // namespace fl
