// The client against scripted answers: what a healthy cluster never says. The real thing is in
// tests/peers/hdfs.
#include "common/hadoop/webhdfs.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "common/base/unique_fd.h"
#include "tests/unit/hadoop/fake_server.h"

namespace fl {
namespace {

WebHdfs::Settings settings_for(std::vector<std::string> endpoints) {
  WebHdfs::Settings settings;
  settings.endpoints = std::move(endpoints);
  settings.user = "a&b";
  return settings;
}

TEST(WebHdfs, StandbyLeadsToTheOtherWhichIsRemembered) {
  FakeServer standby([](const std::string&) { return kStandby; });
  FakeServer active([](const std::string&) { return kHome; });
  WebHdfs client(settings_for({standby.url(), active.url()}));
  for (int i = 0; i < 3; ++i) {
    const auto home = client.home_directory();
    ASSERT_TRUE(home.ok()) << home.error().message;
    EXPECT_EQ(*home, "/user/u");
  }
  EXPECT_EQ(standby.requests().size(), 1U);
  ASSERT_EQ(active.requests().size(), 4U);  // the first finds out that this one is active
  EXPECT_TRUE(has(active.requests()[1], "&user.name=a%26b ")) << active.requests()[1];
}

TEST(WebHdfs, TwoStandbysAreWorthARetryAndBothAreNamed) {
  FakeServer one([](const std::string&) { return kStandby; });
  FakeServer two([](const std::string&) { return kStandby; });
  WebHdfs client(settings_for({one.url(), two.url()}));
  const HdfsStatus made = client.mkdirs("/x");
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().retry(), HdfsRetry::soon);
  EXPECT_TRUE(has(made.error().message, one.url()) && has(made.error().message, two.url()));
}

TEST(WebHdfs, ProxyOfTheEnvironmentIsNotAsked) {
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  FakeServer server([](const std::string&) { return kHome; });
  EXPECT_TRUE(WebHdfs(settings_for({server.url()})).home_directory().ok());
  unsetenv("http_proxy");
}

TEST(WebHdfs, AnswersThatAreNoneOfOursAreErrors) {
  for (const std::string& answer :
       {reply("200 OK", "<html>"), reply("200 OK", ""), reply("200 OK", R"({"Path":7})"),
        reply("204 No Content", ""), reply("302 Found", "", "Location: http://127.0.0.1:1/\r\n"),
        reply("404 Not Found", "<html>"), std::string("garbage\r\n\r\n")}) {
    FakeServer server([&](const std::string&) { return answer; });
    WebHdfs client(settings_for({server.url()}));
    EXPECT_FALSE(client.home_directory().ok()) << answer;
    EXPECT_FALSE(client.status("/x").ok()) << answer;
    EXPECT_FALSE(client.list("/x").ok()) << answer;
    EXPECT_FALSE(client.mkdirs("/x").ok()) << answer;
    EXPECT_FALSE(client.remove("/x", true).ok()) << answer;
    EXPECT_FALSE(client.create("/x", {}).ok()) << answer;
    // The answer to a rename is empty.
    if (answer != reply("200 OK", "")) {
      EXPECT_FALSE(client.rename("/x", "/y").ok()) << answer;
    }
  }
}

TEST(WebHdfs, EndlessAnswerIsCut) {
  FakeServer server([](const std::string&) { return reply("200 OK", std::string(3 << 20, ' ')); });
  const auto home = WebHdfs(settings_for({server.url()})).home_directory();
  ASSERT_FALSE(home.ok());
  EXPECT_TRUE(has(home.error().message, "more than a reply may hold")) << home.error().message;
}

TEST(WebHdfs, BadPathsAreNeverSent) {
  FakeServer server([](const std::string&) { return kHome; });
  WebHdfs client(settings_for({server.url()}));
  for (const std::string path : {"", "x", "/a:b", "/a/../b", "/.", "//a", "/a//b"}) {
    const HdfsStatus made = client.mkdirs(path);
    ASSERT_FALSE(made.ok()) << path;
    EXPECT_EQ(made.error().trouble, HdfsTrouble::invalid);
    EXPECT_EQ(made.error().kind, ErrorClass::input);
    EXPECT_FALSE(client.rename("/x", path).ok()) << path;
  }
  EXPECT_TRUE(server.requests().empty());
}

class WebHdfsUpload : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/fl-webhdfs.XXXXXX";
    data_.reset(mkstemp(name));
    unlink(name);
    ASSERT_EQ(write(data_.get(), "abcdef", 6), 6);
  }
  /// The first step answers with `first`, the second with `second`.
  HdfsStatus upload(const std::string& first, const std::string& second) {
    FakeServer datanode([&](const std::string&) { return second; });
    const std::string url = datanode.url();
    FakeServer namenode([&](const std::string&) {
      std::string answer = first;
      if (const std::size_t at = answer.find("DATANODE"); at != std::string::npos) {
        answer.replace(at, 8, url);
      }
      return answer;
    });
    WebHdfs client(settings_for({namenode.url()}));
    HdfsStatus done = client.create("/a b", {.fd = data_.get(), .offset = 1, .length = 4});
    sent_ = datanode.requests();
    asked_ = namenode.requests();
    return done;
  }

  static constexpr const char* kRedirect =
      "HTTP/1.1 307 Temporary Redirect\r\nConnection: close\r\nSet-Cookie: hadoop.auth=secret\r\n"
      "Location: DATANODE/webhdfs/v1/a%20b?op=CREATE&createflag=A%252CB&delegation=SECRET\r\n"
      "Content-Length: 0\r\n\r\n";
  UniqueFd data_;
  std::vector<std::string> sent_;
  std::vector<std::string> asked_;
};

TEST_F(WebHdfsUpload, GoesVerbatimToTheDataNodeWithoutCookies) {
  const HdfsStatus done =
      upload(kRedirect, "HTTP/1.1 100 Continue\r\n\r\n" + reply("201 Created", ""));
  ASSERT_TRUE(done.ok()) << done.error().message;
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_TRUE(asked_[0].starts_with("PUT /webhdfs/v1/a%20b?op=CREATE&overwrite=false&"))
      << asked_[0];
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_TRUE(sent_[0].starts_with(
      "PUT /webhdfs/v1/a%20b?op=CREATE&createflag=A%252CB&delegation=SECRET HTTP/1.1\r\n"));
  EXPECT_TRUE(has(sent_[0], "Content-Length: 4\r\n"));
  EXPECT_TRUE(sent_[0].ends_with("\r\n\r\nbcde"));
  EXPECT_FALSE(has(sent_[0], "hadoop.auth"));
  EXPECT_FALSE(has(sent_[0], "Expect"));
}

TEST_F(WebHdfsUpload, LocationMayComeAsJson) {
  EXPECT_TRUE(upload("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Location\":\"DATANODE/x\"}",
                     reply("201 Created", ""))
                  .ok());
}

TEST_F(WebHdfsUpload, SecondRedirectIsNotFollowed) {
  const HdfsStatus done = upload(kRedirect, kRedirect);
  EXPECT_FALSE(done.ok());
  EXPECT_EQ(sent_.size(), 1U);
}

TEST_F(WebHdfsUpload, LeadsNowhereButHttp) {
  for (const char* target : {"file:///etc/passwd", "ftp://127.0.0.1/x", "/relative", ""}) {
    const HdfsStatus done = upload(
        reply("307 Temporary Redirect", "", std::string("Location: ") + target + "\r\n"), "");
    EXPECT_FALSE(done.ok()) << target;
  }
}

TEST_F(WebHdfsUpload, BrokenConnectionIsWorthARetryAndHidesTheToken) {
  const HdfsStatus done = upload(kRedirect, "");
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().retry(), HdfsRetry::soon);
  EXPECT_TRUE(done.error().outcome_unknown);
  EXPECT_TRUE(done.error().datanode.starts_with("127.0.0.1:")) << done.error().datanode;
  EXPECT_FALSE(has(done.error().message, "SECRET")) << done.error().message;
}

/// A server that loses the answers of RENAME; `moved` tells whether it carries them out.
class WebHdfsRename : public testing::Test {
 protected:
  FakeServer::Handler server(bool moves, std::uint64_t target_id) {
    return [this, moves, target_id](const std::string& request) {
      if (has(request, "op=RENAME")) {
        if (moved_) {
          return kNotFound;
        }
        moved_ = moves;
        return lost_answer_;
      }
      if (has(request, "/from?")) {
        return moved_ ? kNotFound : file(1);
      }
      return moved_ || target_id != 1 ? file(target_id) : kNotFound;
    };
  }
  bool moved_ = false;
  std::string lost_answer_;
};

TEST_F(WebHdfsRename, LostAnswerOfADoneRenameIsSuccess) {
  FakeServer namenode(server(true, 1));
  WebHdfs client(settings_for({namenode.url()}));
  const HdfsStatus done = client.rename("/from", "/to", 1);
  EXPECT_TRUE(done.ok()) << done.error().message;
}

TEST_F(WebHdfsRename, LostAnswerOfAForgottenRenameIsARetry) {
  FakeServer namenode(server(false, 1));
  WebHdfs client(settings_for({namenode.url()}));
  const HdfsStatus done = client.rename("/from", "/to");
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().retry(), HdfsRetry::soon) << done.error().message;
  EXPECT_TRUE(done.error().outcome_unknown);
}

TEST_F(WebHdfsRename, AnotherFileOfTheNameIsNotOurs) {
  FakeServer namenode(server(true, 2));
  WebHdfs client(settings_for({namenode.url()}));
  const HdfsStatus done = client.rename("/from", "/to", 1);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().trouble, HdfsTrouble::exists) << done.error().message;
}

TEST_F(WebHdfsRename, LostAnswerIsNotAskedOfTheOtherNameNode) {
  FakeServer namenode(server(true, 1));
  FakeServer other([](const std::string&) { return refusal("403 Forbidden", "IOException"); });
  WebHdfs client(settings_for({namenode.url(), other.url()}));
  const HdfsStatus done = client.rename("/from", "/to", 1);
  EXPECT_TRUE(done.ok()) << done.error().message;
  EXPECT_TRUE(other.requests().empty());
}

TEST_F(WebHdfsRename, BooleanOfHttpFsIsSettled) {
  lost_answer_ = reply("200 OK", R"({"boolean":false})");
  FakeServer taken(server(false, 2));
  const HdfsStatus exists = WebHdfs(settings_for({taken.url()})).rename("/from", "/to");
  ASSERT_FALSE(exists.ok());
  EXPECT_EQ(exists.error().trouble, HdfsTrouble::exists);
  FakeServer no_parent(server(false, 1));
  const HdfsStatus missing = WebHdfs(settings_for({no_parent.url()})).rename("/from", "/to");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().trouble, HdfsTrouble::missing);
  lost_answer_ = reply("200 OK", R"({"boolean":true})");
  FakeServer good(server(true, 1));
  EXPECT_TRUE(WebHdfs(settings_for({good.url()})).rename("/from", "/to").ok());
}

TEST_F(WebHdfsRename, IntoADirectoryIsTakenBack) {
  bool inside = false;
  FakeServer httpfs([&](const std::string& request) {
    if (has(request, "op=RENAME")) {
      inside = !inside;
      return reply("200 OK", R"({"boolean":true})");
    }
    if (has(request, "/to/from?")) {
      return inside ? file(1) : kNotFound;
    }
    return reply("200 OK", R"({"FileStatus":{"length":0,"modificationTime":5,"pathSuffix":"",)"
                           R"("type":"DIRECTORY"}})");
  });
  const HdfsStatus done = WebHdfs(settings_for({httpfs.url()})).rename("/from", "/to");
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().trouble, HdfsTrouble::exists) << done.error().message;
  EXPECT_FALSE(inside);
}

std::string entry(const std::string& name) {
  return R"({"length":1,"modificationTime":2,"pathSuffix":")" + name + R"(","type":"FILE"})";
}
std::string page(const std::string& entries, int remaining) {
  return reply("200 OK",
               R"({"DirectoryListing":{"partialListing":{"FileStatuses":{"FileStatus":[)" +
                   entries + R"(]}},"remainingEntries":)" + std::to_string(remaining) + "}}");
}

TEST(WebHdfsList, PagesAreJoinedAndAnUnhelpfulServerEnds) {
  FakeServer server([](const std::string& request) {
    return has(request, "startafter=b&") ? page(entry("c"), 0)
                                         : page(entry("a") + "," + entry("b"), 1);
  });
  const auto list = WebHdfs(settings_for({server.url()})).list("/x");
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->size(), 3U);
  // This one gives the same page forever.
  FakeServer circle([](const std::string&) { return page(entry("a"), 9); });
  EXPECT_EQ(WebHdfs(settings_for({circle.url()})).list("/x")->size(), 1U);
}

TEST(WebHdfsList, OldServersListAtOnce) {
  FakeServer server([](const std::string& request) {
    return has(request, "LISTSTATUS_BATCH")
               ? refusal("400 Bad Request", "IllegalArgumentException")
               : reply("200 OK", R"({"FileStatuses":{"FileStatus":[)" + entry("a") + "]}}");
  });
  const auto list = WebHdfs(settings_for({server.url()})).list("/x");
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->size(), 1U);
}

TEST(WebHdfsList, NamesThatLeadElsewhereAreRefused) {
  for (const std::string name : {"../etc", "..", ".", "a/b"}) {
    FakeServer server([&](const std::string&) { return page(entry(name), 0); });
    EXPECT_FALSE(WebHdfs(settings_for({server.url()})).list("/x").ok()) << name;
  }
}

TEST(WebHdfsPath, IsEncodedOnce) {
  EXPECT_EQ(encode_path("/a b/%2F=+\xC3\xA4"), "/a%20b/%252F%3D%2B%C3%A4");
}

}  // namespace
}  // namespace fl
