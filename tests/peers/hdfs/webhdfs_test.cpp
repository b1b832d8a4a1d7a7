// The client against a real HDFS: needs HDFS_HTTP, HDFS_DIR and HDFS_CLUSTER (see run).
#include "common/hadoop/webhdfs.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "common/base/unique_fd.h"
#include "common/hadoop/config.h"
#include "common/hadoop/location.h"
#include "common/hadoop/session.h"
#include "tests/peers/hdfs/peer.h"

namespace fl {
namespace {

class WebHdfsPeer : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(environment("HDFS_HTTP"), "") << "run by tests/peers/hdfs/run";
    auto config = HadoopConfig::load("");
    ASSERT_TRUE(config.ok()) << config.error().message;
    auto location = resolve("/", *config, "");
    ASSERT_TRUE(location.ok()) << location.error().message;
    ASSERT_TRUE(location->has_value());
    EXPECT_EQ((*location)->endpoints, std::vector{environment("HDFS_HTTP")});
    user_ = (*location)->user;
    settings_.endpoints = (*location)->endpoints;
    settings_.user = user_;
    settings_.connect_timeout_ms = 3000;
    base_ = "/webhdfs-test-" + std::to_string(getpid()) + "/" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
    client_ = std::make_unique<WebHdfs>(settings_);
    const HdfsStatus made = client_->mkdirs(base_);
    ASSERT_TRUE(made.ok()) << made.error().message;
  }
  void TearDown() override { EXPECT_TRUE(client_->remove(base_, true).ok()); }

  HdfsStatus put(const std::string& name, const std::string& text, WebHdfs::Upload upload = {}) {
    const UniqueFd fd = file_with(text);
    upload.fd = fd.get();
    upload.length = text.size();
    return client_->create(name, upload);
  }
  std::uint64_t length_of(const std::string& name) {
    const auto status = client_->status(name);
    return status.ok() && status->has_value() ? (*status)->length : UINT64_MAX;
  }

  WebHdfs::Settings settings_;
  std::string user_;
  std::string base_;
  std::unique_ptr<WebHdfs> client_;
};

TEST_F(WebHdfsPeer, HomeDirectoryIsTheUsers) {
  const auto home = client_->home_directory();
  ASSERT_TRUE(home.ok()) << home.error().message;
  EXPECT_EQ(*home, "/user/" + user_);
}

TEST_F(WebHdfsPeer, UploadedFileReadsBackWhole) {
  std::string text;
  for (int i = 0; text.size() < 3'500'000; ++i) {
    text += "line " + std::to_string(i) + "\n";
  }
  const HdfsStatus done = put(base_ + "/a", text, {.sync_block = true});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(length_of(base_ + "/a"), text.size());
  EXPECT_TRUE(shell("-cat " + base_ + "/a") == text);
}

TEST_F(WebHdfsPeer, UploadTakesItsPartOfTheFile) {
  const UniqueFd fd = file_with("0123456789");
  ASSERT_TRUE(client_->create(base_ + "/part", {.fd = fd.get(), .offset = 3, .length = 4}).ok());
  EXPECT_EQ(shell("-cat " + base_ + "/part"), "3456");
  ASSERT_TRUE(client_->create(base_ + "/empty", {.fd = fd.get()}).ok());
  EXPECT_EQ(length_of(base_ + "/empty"), 0U);
}

TEST_F(WebHdfsPeer, ShortFileIsALocalFault) {
  const UniqueFd fd = file_with("0123456789");
  const HdfsStatus done = client_->create(base_ + "/x", {.fd = fd.get(), .length = 11});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().trouble, HdfsTrouble::local) << done.error().message;
}

TEST_F(WebHdfsPeer, CreateNeverReplaces) {
  ASSERT_TRUE(put(base_ + "/a", "first").ok());
  const HdfsStatus second = put(base_ + "/a", "second");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().trouble, HdfsTrouble::exists) << second.error().message;
  EXPECT_EQ(length_of(base_ + "/a"), 5U);
  EXPECT_TRUE(put(base_ + "/a", "third!", {.overwrite = true}).ok());
  EXPECT_EQ(length_of(base_ + "/a"), 6U);
}

TEST_F(WebHdfsPeer, CreateWithoutParentIsMissing) {
  const HdfsStatus done = put(base_ + "/no/a", "x", {.create_parent = false});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().trouble, HdfsTrouble::missing) << done.error().message;
}

TEST_F(WebHdfsPeer, BlockSizeReplicationAndPermissionAreHonoured) {
  ASSERT_TRUE(put(base_ + "/a", std::string(5000, 'x'),
                  {.block_size = 4096, .replication = 2, .permission = "600"})
                  .ok());
  EXPECT_EQ(shell("-stat '%o %r %a' " + base_ + "/a"), "4096 2 600\n");
}

TEST_F(WebHdfsPeer, RenameMovesAndNeverReplaces) {
  ASSERT_TRUE(put(base_ + "/a", "aa").ok());
  ASSERT_TRUE(put(base_ + "/b", "b").ok());
  ASSERT_TRUE(client_->mkdirs(base_ + "/d").ok());
  const auto a = client_->status(base_ + "/a");
  ASSERT_TRUE(a.ok());
  for (const char* taken : {"/b", "/d"}) {
    const HdfsStatus done = client_->rename(base_ + "/a", base_ + taken, (*a)->file_id);
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().trouble, HdfsTrouble::exists) << done.error().message;
  }
  EXPECT_EQ(length_of(base_ + "/a"), 2U);
  EXPECT_EQ(length_of(base_ + "/b"), 1U);
  ASSERT_TRUE(client_->rename(base_ + "/a", base_ + "/c").ok());
  EXPECT_EQ(length_of(base_ + "/c"), 2U);
  const HdfsStatus gone = client_->rename(base_ + "/a", base_ + "/e");
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().trouble, HdfsTrouble::missing) << gone.error().message;
  // The same with the file's number: this very file is there already, so it is done.
  EXPECT_TRUE(client_->rename(base_ + "/a", base_ + "/c", (*a)->file_id).ok());
  const HdfsStatus foreign = client_->rename(base_ + "/a", base_ + "/b", (*a)->file_id);
  ASSERT_FALSE(foreign.ok());
  EXPECT_EQ(foreign.error().trouble, HdfsTrouble::exists) << foreign.error().message;
  const HdfsStatus parent = client_->rename(base_ + "/c", base_ + "/no/c");
  ASSERT_FALSE(parent.ok());
  EXPECT_EQ(parent.error().trouble, HdfsTrouble::missing) << parent.error().message;
}

TEST_F(WebHdfsPeer, StatusOfNothingIsNothing) {
  const auto nothing = client_->status(base_ + "/nothing");
  ASSERT_TRUE(nothing.ok()) << nothing.error().message;
  EXPECT_FALSE(nothing->has_value());
  const auto directory = client_->status(base_);
  ASSERT_TRUE(directory.ok() && directory->has_value());
  EXPECT_TRUE((*directory)->is_directory);
}

TEST_F(WebHdfsPeer, ListTellsAllOfSeveralPages) {
  for (int i = 0; i < 1005; ++i) {
    ASSERT_TRUE(client_->mkdirs(base_ + "/d" + std::to_string(i)).ok());
  }
  const auto list = client_->list(base_);
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->size(), 1005U);
  const auto none = client_->list(base_ + "/nothing");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().trouble, HdfsTrouble::missing);
}

TEST_F(WebHdfsPeer, OddNamesPass) {
  for (const std::string name :
       {"a b", "100%", "%2F", "a+b", "\xC3\xA4", "q?x&y=z#h", "'\"\\*{}"}) {
    ASSERT_TRUE(put(base_ + "/" + name, name).ok()) << name;
    EXPECT_EQ(length_of(base_ + "/" + name), name.size()) << name;
    ASSERT_TRUE(client_->rename(base_ + "/" + name, base_ + "/r " + name).ok()) << name;
  }
  const auto list = client_->list(base_);
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->size(), 7U);
  const HdfsStatus colon = put(base_ + "/a:b", "x");
  ASSERT_FALSE(colon.ok());
  EXPECT_EQ(colon.error().kind, ErrorClass::input);
  const HdfsStatus longer = put(base_ + "/" + std::string(256, 'n'), "x");
  ASSERT_FALSE(longer.ok());
  EXPECT_EQ(longer.error().trouble, HdfsTrouble::invalid) << longer.error().message;
}

TEST_F(WebHdfsPeer, RemoveTellsWhetherItWasThere) {
  ASSERT_TRUE(put(base_ + "/d/a", "x").ok());
  EXPECT_FALSE(client_->remove(base_ + "/d", false).ok());
  const auto first = client_->remove(base_ + "/d", true);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(*first);
  const auto second = client_->remove(base_ + "/d", true);
  ASSERT_TRUE(second.ok());
  EXPECT_FALSE(*second);
}

TEST_F(WebHdfsPeer, AnotherUserIsRefused) {
  settings_.user = "bob";
  WebHdfs bob(settings_);
  const UniqueFd fd = file_with("x");
  for (const HdfsStatus& done :
       {bob.create(base_ + "/b", {.fd = fd.get(), .length = 1}), bob.mkdirs(base_ + "/bobs")}) {
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().trouble, HdfsTrouble::permission);
    EXPECT_EQ(done.error().kind, ErrorClass::permission) << done.error().message;
    EXPECT_EQ(done.error().message.find('\n'), std::string::npos);
    EXPECT_NE(done.error().message.find("user=bob"), std::string::npos) << done.error().message;
  }
}

TEST_F(WebHdfsPeer, QuotaIsToldApart) {
  ASSERT_TRUE(client_->mkdirs(base_ + "/space").ok());
  ASSERT_TRUE(client_->mkdirs(base_ + "/names").ok());
  ASSERT_EQ(cluster("admin", "-setSpaceQuota 1m " + base_ + "/space"), 0);
  ASSERT_EQ(cluster("admin", "-setQuota 1 " + base_ + "/names"), 0);
  const HdfsStatus space = put(base_ + "/space/a", std::string(3 << 20, 'x'));
  ASSERT_FALSE(space.ok());
  EXPECT_EQ(space.error().trouble, HdfsTrouble::quota) << space.error().message;
  const HdfsStatus names = put(base_ + "/names/a", "x");
  ASSERT_FALSE(names.ok());
  EXPECT_EQ(names.error().trouble, HdfsTrouble::quota) << names.error().message;
  EXPECT_EQ(names.error().kind, ErrorClass::io);
}

TEST_F(WebHdfsPeer, SafeModeIsWorthARetry) {
  ASSERT_TRUE(put(base_ + "/a", "x").ok());
  ASSERT_EQ(cluster("admin", "-safemode enter"), 0);
  const HdfsStatus create = put(base_ + "/b", "x");
  const HdfsStatus rename = client_->rename(base_ + "/a", base_ + "/c");
  const HdfsStatus mkdirs = client_->mkdirs(base_ + "/d");
  ASSERT_EQ(cluster("admin", "-safemode leave"), 0);
  for (const HdfsStatus& done : {create, rename, mkdirs}) {
    ASSERT_FALSE(done.ok());
    EXPECT_EQ(done.error().retry(), HdfsRetry::soon) << done.error().message;
    EXPECT_EQ(done.error().kind, ErrorClass::unavailable);
  }
  EXPECT_TRUE(client_->rename(base_ + "/a", base_ + "/c").ok());
}

TEST_F(WebHdfsPeer, DeadEndpointIsPassedOver) {
  // Bound, so that nobody else can listen there meanwhile.
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  socklen_t size = sizeof address;
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(socket.get(), generic, size), 0);
  ASSERT_EQ(getsockname(socket.get(), generic, &size), 0);
  settings_.endpoints.insert(settings_.endpoints.begin(),
                             "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  WebHdfs both(settings_);
  const auto home = both.home_directory();
  EXPECT_TRUE(home.ok()) << home.error().message;
  const UniqueFd fd = file_with("x");
  EXPECT_TRUE(both.create(base_ + "/a", {.fd = fd.get(), .length = 1}).ok());
}

TEST_F(WebHdfsPeer, NameNodeDownThenBack) {
  ASSERT_TRUE(put(base_ + "/a", "x").ok());
  ASSERT_EQ(cluster("kill", "nn"), 0);
  const HdfsStatus down = put(base_ + "/b", "x");
  ASSERT_FALSE(down.ok());
  EXPECT_EQ(down.error().retry(), HdfsRetry::soon) << down.error().message;
  EXPECT_EQ(down.error().kind, ErrorClass::unavailable);
  const HdfsStatus rename = client_->rename(base_ + "/a", base_ + "/c");
  ASSERT_FALSE(rename.ok());
  EXPECT_EQ(rename.error().retry(), HdfsRetry::soon) << rename.error().message;
  // While it starts each answer must say "again", until one says "done".
  std::thread starter([] { EXPECT_EQ(cluster("restart", "nn"), 0); });
  // An attempt that fails may leave its file open: each takes another name.
  int attempt = 0;
  const HdfsStatus back =
      patiently([&] { return put(base_ + "/b" + std::to_string(attempt++), "x"); });
  starter.join();
  EXPECT_TRUE(back.ok()) << back.error().message;
  const HdfsStatus renamed = patiently([&] { return client_->rename(base_ + "/a", base_ + "/c"); });
  EXPECT_TRUE(renamed.ok()) << renamed.error().message;
}

TEST_F(WebHdfsPeer, FrozenNameNodeLosesNoRename) {
  ASSERT_TRUE(put(base_ + "/a", "x").ok());
  settings_.call_timeout_ms = 1000;
  WebHdfs hasty(settings_);
  ASSERT_TRUE(patiently([&] { return hasty.home_directory(); }).ok());
  ASSERT_EQ(cluster("freeze", "nn"), 0);
  const HdfsStatus lost = hasty.rename(base_ + "/a", base_ + "/c");
  ASSERT_EQ(cluster("thaw", "nn"), 0);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().retry(), HdfsRetry::soon) << lost.error().message;
  EXPECT_TRUE(lost.error().outcome_unknown);
  const HdfsStatus again = patiently([&] { return hasty.rename(base_ + "/a", base_ + "/c"); });
  EXPECT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(length_of(base_ + "/c"), 1U);
}

TEST_F(WebHdfsPeer, CancelEndsAHangingRequest) {
  std::atomic<bool> cancel = false;
  settings_.cancel = &cancel;
  WebHdfs stoppable(settings_);
  ASSERT_EQ(cluster("freeze", "nn"), 0);
  std::thread second_signal([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    cancel = true;
  });
  const auto home = stoppable.home_directory();
  second_signal.join();
  ASSERT_EQ(cluster("thaw", "nn"), 0);
  ASSERT_FALSE(home.ok());
  EXPECT_EQ(home.error().trouble, HdfsTrouble::cancelled) << home.error().message;
  EXPECT_EQ(home.error().kind, ErrorClass::again);
}

TEST_F(WebHdfsPeer, DataNodeDownThenBack) {
  ASSERT_EQ(cluster("kill", "dn1"), 0);
  ASSERT_EQ(cluster("kill", "dn2"), 0);
  const HdfsStatus down = put(base_ + "/a", "x");
  EXPECT_EQ(cluster("restart", "dn1"), 0);
  ASSERT_FALSE(down.ok());
  EXPECT_EQ(down.error().retry(), HdfsRetry::soon) << down.error().message;
  EXPECT_TRUE(down.error().datanode.starts_with("127.0.0.1:")) << down.error().datanode;
  // One of two: the NameNode still offers the dead one for a while.
  int attempt = 0;
  const HdfsStatus back =
      patiently([&] { return put(base_ + "/a" + std::to_string(attempt++), "x"); });
  EXPECT_TRUE(back.ok()) << back.error().message;
  EXPECT_EQ(cluster("restart", "dn2"), 0);
}

TEST_F(WebHdfsPeer, DataNodeThatFailedIsAvoided) {
  settings_.session = make_hdfs_session(settings_);
  for (const std::string verb : {"kill", "freeze"}) {
    // A frozen one shows only by its silence. A healthy one on a busy machine may be silent for as
    // long: it has more time where that is not needed.
    settings_.call_timeout_ms = verb == "kill" ? 60'000 : 5000;
    client_ = std::make_unique<WebHdfs>(settings_);
    ASSERT_EQ(cluster(verb, "dn1"), 0);
    // The other one may fail too where the NameNode puts a block on the frozen one, to which it has
    // to pass it on; a dead one refuses at once, and it keeps the block.
    std::size_t failures = 0;
    std::set<std::string> avoided;
    for (int i = 0; i < 8; ++i) {
      const HdfsStatus done = put(base_ + "/" + verb + std::to_string(i), "x", {.replication = 1});
      if (done) {
        continue;
      }
      EXPECT_EQ(done.error().trouble, HdfsTrouble::datanode) << done.error().message;
      EXPECT_NE(done.error().datanode, "") << verb;
      EXPECT_TRUE(avoided.insert(done.error().datanode).second)
          << verb << ": " << done.error().datanode << " was asked again, " << done.error().message;
      ++failures;
      const std::string excluded = settings_.session->excluded();
      EXPECT_NE(excluded, "");
      if (excluded.find(':') == std::string::npos) {
        // The NameNode takes it for dead and no longer names it: it is avoided by its IP, which
        // both have here.
        break;
      }
      if (avoided.size() == 2) {
        // None is left: each may be asked again, rather than none. That goes on until the NameNode
        // takes the frozen one for dead.
        avoided.clear();
      }
    }
    if (verb == "kill") {
      EXPECT_LE(failures, 1U);
    }
    EXPECT_EQ(cluster(verb == "kill" ? "restart" : "thaw", "dn1"), 0);
    settings_.session->readmit_all();
  }
}

}  // namespace
}  // namespace fl
