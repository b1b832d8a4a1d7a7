// Failures of NameNodes, DataNodes and logins that the client itself gets over, or names.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "common/base/unique_fd.h"
#include "common/hadoop/session.h"
#include "common/hadoop/webhdfs.h"
#include "tests/unit/hadoop/fake_server.h"

namespace fl {
namespace {

const std::string kCreated = reply("201 Created", "");

WebHdfs::Settings settings_for(std::vector<std::string> endpoints) {
  WebHdfs::Settings settings;
  settings.endpoints = std::move(endpoints);
  settings.user = "u";
  settings.call_timeout_ms = 500;
  return settings;
}

std::string redirect_to(const std::string& url) {
  return reply("307 Temporary Redirect", "",
               "Location: " + url + "/webhdfs/v1/x?op=CREATE&delegation=LOCATIONSECRET\r\n");
}

class WebHdfsFailure : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/fl-webhdfs.XXXXXX";
    data_.reset(mkstemp(name));
    unlink(name);
    ASSERT_EQ(write(data_.get(), "abcdef", 6), 6);
    upload_.fd = data_.get();
    upload_.length = 6;
  }
  UniqueFd data_;
  WebHdfs::Upload upload_;
};

TEST_F(WebHdfsFailure, FrozenNameNodeIsPassedOverByAllClients) {
  FakeServer frozen([](const std::string&) { return kHang; });
  FakeServer active([](const std::string&) { return file(1); });
  WebHdfs::Settings settings = settings_for({frozen.url(), active.url()});
  settings.session = make_hdfs_session(settings);
  WebHdfs one(settings);
  WebHdfs two(settings);
  for (WebHdfs* client : {&one, &two}) {
    const auto status = client->status("/x");
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
  EXPECT_EQ(frozen.requests().size(), 1U);
}

TEST_F(WebHdfsFailure, OnlyFrozenNameNodeIsWaitedFor) {
  FakeServer frozen([](const std::string&) { return kHang; });
  const auto status = WebHdfs(settings_for({frozen.url()})).status("/x");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().trouble, HdfsTrouble::standby);
  EXPECT_EQ(status.error().waiting_for, "NameNode " + frozen.url() + ": no answer for 500 ms");
}

TEST_F(WebHdfsFailure, StandbyThatAnswersSomeThingsIsNotTakenForActive) {
  const auto standby = [](const std::string& request) {
    return has(request, "GETHOMEDIRECTORY") ? kHome : kStandby;
  };
  FakeServer one(standby);
  FakeServer two([](const std::string& request) {
    return has(request, "GETHOMEDIRECTORY") ? kHome : file(1);
  });
  WebHdfs client(settings_for({one.url(), two.url()}));
  ASSERT_TRUE(client.home_directory().ok());
  EXPECT_EQ(one.requests().size(), 1U);
  EXPECT_TRUE(has(two.requests()[1], "GETHOMEDIRECTORY"));
  FakeServer three(standby);
  const auto home = WebHdfs(settings_for({one.url(), three.url()})).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().trouble, HdfsTrouble::standby);
}

TEST_F(WebHdfsFailure, FrozenDataNodeIsAvoidedByItsTransferAddress) {
  FakeServer frozen([](const std::string&) { return kHang; });
  FakeServer good([](const std::string&) { return kCreated; });
  const std::string port = frozen.url().substr(frozen.url().rfind(':') + 1);
  FakeServer namenode([&](const std::string& request) {
    if (has(request, "GET /jmx?")) {
      return reply("200 OK", R"({"beans":[{"LiveNodes":"{\"h:9876\":{\"infoAddr\":\"127.0.0.1:)" +
                                 port + R"(\",\"xferaddr\":\"127.0.0.1:9876\"}}"}]})");
    }
    return redirect_to(has(request, "&excludedatanodes=127.0.0.1%3A9876&") ? good.url()
                                                                           : frozen.url());
  });
  WebHdfs::Settings settings = settings_for({namenode.url()});
  settings.session = make_hdfs_session(settings);
  const HdfsStatus first = WebHdfs(settings).create("/x", upload_);
  ASSERT_FALSE(first.ok());
  EXPECT_EQ(first.error().trouble, HdfsTrouble::datanode) << first.error().message;
  EXPECT_EQ(first.error().datanode, "127.0.0.1:" + port);
  EXPECT_EQ(first.error().waiting_for, "DataNode " + frozen.url() + ": no answer for 500 ms");
  EXPECT_FALSE(has(first.error().message, "SECRET")) << first.error().message;
  const HdfsStatus second = WebHdfs(settings).create("/x", upload_);
  EXPECT_TRUE(second.ok()) << second.error().message;
  EXPECT_EQ(good.requests().size(), 1U);
}

TEST_F(WebHdfsFailure, TransferAddressIsRememberedForWhenTheNameNodeNoLongerNamesIt) {
  FakeServer frozen([](const std::string&) { return kHang; });
  FakeServer good([](const std::string&) { return kCreated; });
  const std::string port = frozen.url().substr(frozen.url().rfind(':') + 1);
  int looks = 0;
  FakeServer namenode([&](const std::string& request) {
    if (has(request, "GET /jmx?")) {
      // Considered dead by the second look, and still offered.
      return looks++ > 0
                 ? reply("200 OK", R"({"beans":[{"LiveNodes":"{}"}]})")
                 : reply("200 OK",
                         R"({"beans":[{"LiveNodes":"{\"h:9876\":{\"infoAddr\":\"127.0.0.1:)" +
                             port + R"(\",\"xferaddr\":\"127.0.0.1:9876\"}}"}]})");
    }
    return redirect_to(has(request, "&excludedatanodes=127.0.0.1%3A9876&") ? good.url()
                                                                           : frozen.url());
  });
  WebHdfs::Settings settings = settings_for({namenode.url()});
  settings.session = make_hdfs_session(settings);
  WebHdfs client(settings);
  ASSERT_FALSE(client.create("/x", upload_).ok());
  settings.session->readmit_all();
  ASSERT_FALSE(client.create("/x", upload_).ok());
  EXPECT_EQ(looks, 2);
  const HdfsStatus third = client.create("/x", upload_);
  EXPECT_TRUE(third.ok()) << third.error().message;
}

TEST_F(WebHdfsFailure, LastDataNodeIsTriedAgainRatherThanNone) {
  int attempts = 0;
  FakeServer datanode([&](const std::string&) { return attempts++ == 0 ? "" : kCreated; });
  FakeServer namenode([&](const std::string& request) {
    if (has(request, "GET /jmx?")) {
      return reply("403 Forbidden", "");
    }
    return has(request, "&excludedatanodes=127.0.0.1&")
               ? reply("403 Forbidden", R"({"RemoteException":{"exception":"IOException",)"
                                        R"("message":"Failed to find datanode, suggest"}})")
               : redirect_to(datanode.url());
  });
  WebHdfs::Settings settings = settings_for({namenode.url()});
  WebHdfs client(settings);
  ASSERT_FALSE(client.create("/x", upload_).ok());
  const HdfsStatus second = client.create("/x", upload_);
  EXPECT_TRUE(second.ok()) << second.error().message;
}

TEST_F(WebHdfsFailure, DataNodeThatDripsItsAnswerIsLeft) {
  FakeServer datanode([](const std::string&) {
    return "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n" + kDrip + "X-More: and more\r\n";
  });
  FakeServer namenode([&](const std::string&) { return redirect_to(datanode.url()); });
  WebHdfs client(settings_for({namenode.url()}));
  const HdfsStatus done = client.create("/x", upload_);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().trouble, HdfsTrouble::datanode) << done.error().message;
  EXPECT_TRUE(has(done.error().message, "the answer was not complete after 500 ms"))
      << done.error().message;
}

TEST_F(WebHdfsFailure, DyingDataNodeIsNotTheNameNodes) {
  FakeServer datanode([](const std::string&) { return reply("500 Server Error", "<html>"); });
  FakeServer namenode([&](const std::string&) { return redirect_to(datanode.url()); });
  const HdfsStatus done = WebHdfs(settings_for({namenode.url()})).create("/x", upload_);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().trouble, HdfsTrouble::datanode) << done.error().message;
}

TEST_F(WebHdfsFailure, HttpFsTakesAnUploadInOneStep) {
  FakeServer gateway([](const std::string& request) {
    return has(request, "op=CREATE") ? reply("201 Created", R"({"Location":"http://h/x"})")
                                     : kNotFound;
  });
  WebHdfs::Settings settings = settings_for({gateway.url() + "/prefix"});
  settings.httpfs = true;
  settings.proxy_user = "carol";
  WebHdfs client(settings);
  const HdfsStatus done = client.create("/x", upload_);
  ASSERT_TRUE(done.ok()) << done.error().message;
  ASSERT_EQ(gateway.requests().size(), 1U);
  const std::string sent = gateway.requests()[0];
  EXPECT_TRUE(sent.starts_with("PUT /prefix/webhdfs/v1/x?op=CREATE&overwrite=false&permission=644"))
      << sent;
  EXPECT_TRUE(has(sent, "&data=true&user.name=u&doas=carol HTTP/1.1"));
  EXPECT_TRUE(has(sent, "\r\nContent-Type: application/octet-stream\r\n"));
  EXPECT_TRUE(sent.ends_with("\r\n\r\nabcdef"));
  upload_.create_parent = false;
  const HdfsStatus orphan = client.create("/gone/x", upload_);
  ASSERT_FALSE(orphan.ok());
  EXPECT_EQ(orphan.error().trouble, HdfsTrouble::missing);
  EXPECT_EQ(gateway.requests().size(), 2U);
}

TEST_F(WebHdfsFailure, RenameOnHttpFsIsSettledByLengthAndTime) {
  // HttpFS reports no file number.
  const auto status = [](int length) {
    return reply("200 OK", R"({"FileStatus":{"length":)" + std::to_string(length) +
                               R"(,"modificationTime":5,"pathSuffix":"","type":"FILE"}})");
  };
  WebHdfs::FileStatus source;
  source.length = 3;
  source.modified_ms = 5;
  for (const int length : {3, 4}) {
    FakeServer gateway([&](const std::string& request) {
      return has(request, "op=RENAME") ? "" : has(request, "/from?") ? kNotFound : status(length);
    });
    WebHdfs::Settings settings = settings_for({gateway.url()});
    settings.httpfs = true;
    EXPECT_EQ(WebHdfs(settings).rename("/from", "/to", source).ok(), length == 3);
  }
}

TEST_F(WebHdfsFailure, WithoutATicketNothingIsSent) {
  setenv("KRB5CCNAME", "FILE:/nonexistent/cache", 1);
  unsetenv("KRB5_CLIENT_KTNAME");
  unsetenv("HADOOP_TOKEN_FILE_LOCATION");
  FakeServer namenode([](const std::string&) { return kHome; });
  WebHdfs::Settings settings = settings_for({namenode.url()});
  settings.kerberos = true;
  const auto home = WebHdfs(settings).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().kind, ErrorClass::permission);
  EXPECT_TRUE(has(home.error().hint, "run kinit")) << home.error().hint;
  settings.keytab = "/nonexistent/keytab";
  const auto keytab = WebHdfs(settings).home_directory();
  ASSERT_FALSE(keytab.ok());
  EXPECT_EQ(keytab.error().kind, ErrorClass::permission);
  EXPECT_TRUE(has(keytab.error().message, "/nonexistent/keytab")) << keytab.error().message;
  // A server that would accept a bare name is not sent one.
  EXPECT_TRUE(namenode.requests().empty());
}

class WebHdfsToken : public WebHdfsFailure {
 protected:
  void SetUp() override {
    WebHdfsFailure::SetUp();
    char name[] = "/tmp/fl-token.XXXXXX";
    UniqueFd fd(mkstemp(name));
    ASSERT_TRUE(fd);
    path_ = name;
    put("one");
  }
  void TearDown() override { unlink(path_.c_str()); }
  void put(const std::string& identifier) {
    const auto counted = [](const std::string& text) {
      return static_cast<char>(text.size()) + text;
    };
    std::ofstream(path_) << "HDTS" << '\0' << '\1' << counted("alias") << counted(identifier)
                         << counted("pw") << counted("HDFS_DELEGATION_TOKEN")
                         << counted("127.0.0.1:8020") << '\0';
  }
  std::string path_;
};

// "A29uZQJwd" is 03 "one" 02 "pw" in Base64, "A3R3bwJwd" the same of "two".
TEST_F(WebHdfsToken, OfAFileIsSentAndReadAgainOnceWhenItIsRefused) {
  FakeServer namenode([&](const std::string& request) {
    if (!has(request, "delegation=A29uZQJwd") && !has(request, "delegation=A3R3bwJwd")) {
      return reply("400 Bad Request", request);
    }
    return has(request, "delegation=A29uZQJwd")
               ? reply("403 Forbidden",
                       R"({"RemoteException":{"exception":"SecurityException","message":)"
                       R"("Failed to obtain user group information: InvalidToken A29uZQJwd"}})")
               : kHome;
  });
  WebHdfs::Settings settings = settings_for({namenode.url()});
  settings.token_file = path_;
  WebHdfs client(settings);
  const auto old = client.home_directory();
  ASSERT_FALSE(old.ok());
  EXPECT_EQ(old.error().trouble, HdfsTrouble::permission) << old.error().message;
  EXPECT_EQ(old.error().retry(), HdfsRetry::slowly);
  EXPECT_EQ(namenode.requests().size(), 2U);
  put("two");
  const auto home = client.home_directory();
  EXPECT_TRUE(home.ok()) << home.error().message;
  EXPECT_FALSE(has(namenode.requests().back(), "user.name"));
}

TEST_F(WebHdfsToken, NeverStandsInAnErrorText) {
  std::string secret;
  FakeServer namenode([&](const std::string& request) {
    const std::size_t at = request.find("delegation=") + 11;
    secret = request.substr(at, request.find_first_of("& ", at) - at);
    return reply("403 Forbidden", R"({"RemoteException":{"exception":"IOException","message":)"
                                  R"("cannot handle )" +
                                      secret + R"("}})");
  });
  WebHdfs::Settings settings = settings_for({namenode.url()});
  settings.token_file = path_;
  const auto home = WebHdfs(settings).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_GT(secret.size(), 8U);
  EXPECT_FALSE(has(home.error().message, secret)) << home.error().message;
  EXPECT_TRUE(has(home.error().message, "cannot handle ***")) << home.error().message;
}

TEST_F(WebHdfsToken, OfAnotherClusterIsNotSent) {
  WebHdfs::Settings settings = settings_for({"http://192.0.2.1:9870"});
  settings.token_file = path_;
  settings.service = "elsewhere";
  const auto home = WebHdfs(settings).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().kind, ErrorClass::permission);
  EXPECT_TRUE(has(home.error().message, "no token for this cluster")) << home.error().message;
}

}  // namespace
}  // namespace fl
