#include "common/hadoop/hdfs_error.h"

#include <gtest/gtest.h>

#include <string>

namespace fl {
namespace {

std::string remote(const std::string& exception, const std::string& message) {
  return R"({"RemoteException":{"exception":")" + exception + R"(","javaClassName":"x.)" +
         exception + R"(","message":")" + message + R"("}})";
}

struct Case {
  const char* name;
  long status;
  std::string body;
  HdfsTrouble trouble;
  ErrorClass kind;
};

class HdfsErrorTest : public testing::TestWithParam<Case> {};

TEST_P(HdfsErrorTest, IsClassified) {
  const Case& c = GetParam();
  const HdfsError error = classify_reply("cannot create '/x'", "NameNode h", c.status, c.body);
  EXPECT_EQ(error.trouble, c.trouble) << error.message;
  EXPECT_EQ(error.kind, c.kind) << error.message;
  EXPECT_EQ(error.trouble == HdfsTrouble::retry, error.kind == ErrorClass::unavailable);
  EXPECT_EQ(error.message.find("cannot create '/x': NameNode h answers "), 0U) << error.message;
}

using enum HdfsTrouble;
using E = ErrorClass;
INSTANTIATE_TEST_SUITE_P(
    Replies, HdfsErrorTest,
    testing::Values(
        Case{
            "Standby", 403,
            remote("StandbyException", "Operation category READ is not supported in state standby"),
            retry, E::unavailable},
        Case{"Starting", 403, remote("RetriableException", "Namenode is in startup mode"), retry,
             E::unavailable},
        Case{"SafeMode", 403, remote("SafeModeException", "Cannot create"), retry, E::unavailable},
        Case{"SafeModeOfHttpFs", 500, remote("SafeModeException", "Cannot create"), retry,
             E::unavailable},
        Case{"SafeModeInText", 500,
             remote("RemoteException", "org.apache.hadoop.hdfs.server.namenode.SafeModeException"),
             retry, E::unavailable},
        Case{"NoDataNode", 403,
             remote("IOException", "Failed to find datanode, suggest to check cluster health."),
             retry, E::unavailable},
        Case{"NoReplica", 403,
             remote("IOException",
                    "File /x could only be written to 0 of the 1 minReplication nodes."),
             retry, E::unavailable},
        Case{"NoActive", 403,
             remote("IOException", "No active and not excluded nodes contain this block"), retry,
             E::unavailable},
        Case{"NameNodeDied", 403, remote("EOFException", "End of File Exception between"), retry,
             E::unavailable},
        Case{"BadTokenAtDataNode", 403,
             R"({"RemoteException":{"exception":"EOFException","message":null}})", permission,
             E::permission},
        Case{"BadToken", 403,
             remote("SecurityException",
                    "Failed to obtain user group information: "
                    "java.io.EOFException"),
             permission, E::permission},
        Case{"ServerBroken", 503, "<html>busy</html>", retry, E::unavailable},
        Case{"GatewayTimeout", 504, "", retry, E::unavailable},
        Case{"Denied", 403, remote("AccessControlException", "Permission denied: user=bob"),
             permission, E::permission},
        Case{"DeniedByHttpFs", 500, remote("AccessControlException", "Permission denied"),
             permission, E::permission},
        Case{"NoLogin", 401, "<html>Authentication required</html>", permission, E::permission},
        Case{"SpaceQuota", 403, remote("DSQuotaExceededException", "The DiskSpace quota"), quota,
             E::io},
        Case{"NameQuota", 403, remote("NSQuotaExceededException", "The NameSpace quota"), quota,
             E::io},
        Case{"Exists", 403, remote("FileAlreadyExistsException", "/x already exists"), exists,
             E::create},
        Case{"ExistsInHttpFs", 500, remote("FileAlreadyExistsException", "/x already exists"),
             exists, E::create},
        Case{"OntoDirectory", 403, remote("IOException", "/a and /b must both be directories"),
             exists, E::create},
        Case{"Missing", 404, remote("FileNotFoundException", "File does not exist: /x"), missing,
             E::io},
        Case{"MissingInMapR", 500, remote("RemoteException", "java.io.FileNotFoundException: /x"),
             missing, E::io},
        Case{"ForeignServer", 404, "<html>Not Found</html>", other, E::io},
        Case{"BadName", 400, remote("InvalidPathException", "Invalid path name /a:b"), invalid,
             E::config},
        Case{"LongName", 403,
             remote("RemoteException", "The maximum path component name limit of nnn"), invalid,
             E::config},
        Case{"SmallBlock", 403, remote("IOException", "Specified block size 512 is less than"),
             invalid, E::config},
        Case{"EmptyBadRequest", 400, "", invalid, E::config},
        Case{"ParentIsFile", 403, remote("ParentNotDirectoryException", "/a is not a directory"),
             other, E::io},
        Case{"PlainIo", 403, remote("IOException", "something"), other, E::io},
        Case{"CutJson", 403, R"({"RemoteException":{"exception":"Stan)", permission, E::permission},
        Case{"OtherJson", 500, R"([1,2])", retry, E::unavailable}),
    [](const auto& entry) { return std::string(entry.param.name); });

TEST(HdfsErrorText, StandbyAsksTheOtherNameNode) {
  EXPECT_TRUE(classify_reply("a", "p", 403, remote("StandbyException", "")).ask_other_namenode);
  EXPECT_FALSE(classify_reply("a", "p", 403, remote("SafeModeException", "")).ask_other_namenode);
}

TEST(HdfsErrorText, StackTraceAndTokenStayOut) {
  const HdfsError error = classify_reply(
      "cannot create '/x'", "DataNode h", 403,
      remote("IOException", "no http://h/x?delegation=SECRET1&token=SECRET2 here\\n\\tat a.b(C)"));
  EXPECT_EQ(error.message,
            "cannot create '/x': DataNode h answers IOException: no "
            "http://h/x?delegation=***&token=*** here");
}

TEST(HdfsErrorText, LinesAreBounded) {
  EXPECT_EQ(one_line(" \n a b \r\n c"), "a b");
  EXPECT_EQ(one_line(" \n "), "");
  std::string umlauts;
  for (int i = 0; i < 1000; ++i) {
    umlauts += "\xC3\xA4";
  }
  const std::string line = one_line(umlauts);
  EXPECT_LE(line.size(), 500U);
  EXPECT_TRUE(line.ends_with("\xA4..."));
}

}  // namespace
}  // namespace fl
