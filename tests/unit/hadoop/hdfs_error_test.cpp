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
  EXPECT_EQ(error.retry() == HdfsRetry::soon, error.kind == ErrorClass::unavailable);
  EXPECT_EQ(error.retry() == HdfsRetry::never, error.waiting_for.empty()) << error.waiting_for;
  EXPECT_EQ(error.message.find("cannot create '/x': NameNode h answers "), 0U) << error.message;
}

using enum HdfsTrouble;
using E = ErrorClass;
// One case for each exception class and text of the table in hdfs_error.cpp; the first word is the
// class.
INSTANTIATE_TEST_SUITE_P(
    Replies, HdfsErrorTest,
    testing::Values(
        // Exception: StandbyException
        Case{
            "StandbyException", 403,
            remote("StandbyException", "Operation category READ is not supported in state standby"),
            standby, E::unavailable},
        // Exception: ObserverRetryOnActiveException
        Case{"ObserverRetryOnActiveException", 403,
             remote("ObserverRetryOnActiveException", "Observer Node should retry on active"),
             standby, E::unavailable},
        // Exception: RetriableException
        Case{"RetriableException", 403, remote("RetriableException", "Namenode is in startup mode"),
             wait, E::unavailable},
        // Exception: SafeModeException
        Case{"SafeModeException", 403, remote("SafeModeException", "Cannot create"), wait,
             E::unavailable},
        // Exception: RetryStartFileException
        Case{"RetryStartFileException", 403, remote("RetryStartFileException", "m"), wait,
             E::unavailable},
        // Exception: ServerTooBusyException
        Case{"ServerTooBusyException", 503, remote("ServerTooBusyException", "m"), wait,
             E::unavailable},
        // Exception: AlreadyBeingCreatedException
        Case{"AlreadyBeingCreatedException", 403,
             remote("AlreadyBeingCreatedException",
                    "Failed to CREATE_FILE /x because this file lease is currently owned by y"),
             lease, E::unavailable},
        // Exception: RecoveryInProgressException
        Case{"RecoveryInProgressException", 403,
             remote("RecoveryInProgressException", "lease recovery is in progress"), lease,
             E::unavailable},
        // Exception: LeaseExpiredException
        Case{"LeaseExpiredException", 403, remote("LeaseExpiredException", "No lease on /x"), lease,
             E::unavailable},
        // Exception: NotReplicatedYetException
        Case{"NotReplicatedYetException", 403,
             remote("NotReplicatedYetException", "Not replicated yet: /x"), lease, E::unavailable},
        // Exception: InvalidToken
        Case{"InvalidToken", 401, remote("InvalidToken", "token is expired"), token,
             E::unavailable},
        // Exception: FileAlreadyExistsException
        Case{"FileAlreadyExistsException", 403,
             remote("FileAlreadyExistsException", "/x already exists"), exists, E::create},
        // Exception: AccessControlException
        Case{"AccessControlException", 403,
             remote("AccessControlException", "Permission denied: user=bob"), permission,
             E::permission},
        // Exception: AuthorizationException
        Case{"AuthorizationException", 403,
             remote("AuthorizationException", "User: a is not allowed to impersonate b"),
             permission, E::permission},
        // Exception: AuthenticationException
        Case{"AuthenticationException", 401, remote("AuthenticationException", "m"), permission,
             E::permission},
        // Exception: DSQuotaExceededException
        Case{"DSQuotaExceededException", 403,
             remote("DSQuotaExceededException", "The DiskSpace quota"), quota, E::io},
        // Exception: NSQuotaExceededException
        Case{"NSQuotaExceededException", 403,
             remote("NSQuotaExceededException", "The NameSpace quota"), quota, E::io},
        // Exception: QuotaByStorageTypeExceededException
        Case{"QuotaByStorageTypeExceededException", 403,
             remote("QuotaByStorageTypeExceededException", "Quota by storage type"), quota, E::io},
        // Exception: QuotaExceededException
        Case{"QuotaExceededException", 403, remote("QuotaExceededException", "m"), quota, E::io},
        // Exception: ParentNotDirectoryException
        Case{"ParentNotDirectoryException", 403,
             remote("ParentNotDirectoryException", "/a is not a directory"), blocked, E::create},
        // Exception: UnresolvedPathException
        Case{"UnresolvedPathException", 403, remote("UnresolvedPathException", "m"), blocked,
             E::create},
        // Exception: UnresolvedLinkException
        Case{"UnresolvedLinkException", 403, remote("UnresolvedLinkException", "m"), blocked,
             E::create},
        // Exception: PathIsNotEmptyDirectoryException
        Case{"PathIsNotEmptyDirectoryException", 403,
             remote("PathIsNotEmptyDirectoryException", "/a is non empty"), blocked, E::create},
        // Exception: InvalidPathException
        Case{"InvalidPathException", 400, remote("InvalidPathException", "Invalid path name /a:b"),
             invalid, E::config},
        // Exception: IllegalArgumentException
        Case{"IllegalArgumentException", 400, remote("HadoopIllegalArgumentException", "m"),
             invalid, E::config},
        // Exception: UnsupportedOperationException
        Case{"UnsupportedOperationException", 400,
             remote("UnsupportedOperationException", "op=NULL"), invalid, E::config},
        // Exception: QueryParamException
        Case{"QueryParamException", 500, remote("QueryParamException", "m"), invalid, E::config},
        // Exception: PathComponentTooLongException
        Case{"PathComponentTooLongException", 403, remote("PathComponentTooLongException", "m"),
             invalid, E::config},
        // Exception: FileNotFoundException
        Case{"FileNotFoundException", 404,
             remote("FileNotFoundException", "File does not exist: /x"), missing, E::io},
        // Exception: SecurityException
        Case{"SecurityException", 403,
             remote("SecurityException", "Security enabled but user not authenticated by filter"),
             permission, E::permission},
        // Exception: EOFException
        Case{"EOFException", 403, remote("EOFException", "End of File Exception between"), wait,
             E::unavailable},
        // Exception: ConnectException
        Case{"ConnectException", 403, remote("ConnectException", "Call From a to b failed"), wait,
             E::unavailable},
        // Exception: NoRouteToHostException
        Case{"NoRouteToHostException", 403, remote("NoRouteToHostException", "m"), wait,
             E::unavailable},
        // Exception: SocketTimeoutException
        Case{"SocketTimeoutException", 403, remote("SocketTimeoutException", "m"), wait,
             E::unavailable},
        // Exception: SocketException
        Case{"SocketException", 403, remote("SocketException", "Connection reset"), wait,
             E::unavailable},
        // Exception: ClosedChannelException
        Case{"ClosedChannelException", 403,
             R"({"RemoteException":{"exception":"ClosedChannelException","message":null}})", wait,
             E::unavailable},
        // Exception: ConnectTimeoutException
        Case{"ConnectTimeoutException", 403, remote("ConnectTimeoutException", "m"), wait,
             E::unavailable}),
    [](const auto& entry) { return std::string(entry.param.name); });

// The same facts in other clothes: HttpFS, texts without a name, no JSON at all.
INSTANTIATE_TEST_SUITE_P(
    Texts, HdfsErrorTest,
    testing::Values(
        Case{"SafeModeOfHttpFs", 500, remote("SafeModeException", "Cannot create"), wait,
             E::unavailable},
        Case{"SafeModeInText", 500,
             remote("RemoteException", "org.apache.hadoop.hdfs.server.namenode.SafeModeException"),
             wait, E::unavailable},
        Case{"StandbyInText", 500,
             remote("RemoteException", "org.apache.hadoop.ipc.StandbyException"), standby,
             E::unavailable},
        Case{"FencedWriter", 404,
             remote("FileNotFoundException",
                    "File does not exist: /x (inode 1) Holder y does not have any open files."),
             lease, E::unavailable},
        Case{"NoDataNode", 403,
             remote("IOException", "Failed to find datanode, suggest to check cluster health."),
             datanode, E::unavailable},
        Case{"NoReplica", 403,
             remote("IOException",
                    "File /x could only be written to 0 of the 1 minReplication nodes."),
             datanode, E::unavailable},
        Case{"NoActive", 403,
             remote("IOException", "No active and not excluded nodes contain this block"), datanode,
             E::unavailable},
        Case{"PipelineDead", 500,
             remote("IOException", "All datanodes [DatanodeInfoWithStorage] are bad. Aborting..."),
             datanode, E::unavailable},
        Case{"BadTokenAtDataNode", 403,
             R"({"RemoteException":{"exception":"EOFException","message":null}})", token,
             E::unavailable},
        Case{"BadTokenAtNameNode", 403,
             remote("SecurityException",
                    "Failed to obtain user group information: java.io.EOFException"),
             token, E::unavailable},
        Case{"CancelledToken", 403,
             remote("SecurityException",
                    "Failed to obtain user group information: "
                    "org.apache.hadoop.security.token.SecretManager$InvalidToken: Token for real "
                    "user: , can't be found in cache"),
             token, E::unavailable},
        Case{"NoTokenAtDataNode", 403,
             remote("IOException", "Client cannot authenticate via:[TOKEN, KERBEROS]"), permission,
             E::permission},
        Case{"ServerBroken", 503, "<html>busy</html>", wait, E::unavailable},
        Case{"GatewayTimeout", 504, "", wait, E::unavailable},
        Case{"DeniedByHttpFs", 500, remote("AccessControlException", "Permission denied"),
             permission, E::permission},
        Case{"NoLogin", 401, "<html>Authentication required</html>", permission, E::permission},
        Case{"ExistsInHttpFs", 500, remote("FileAlreadyExistsException", "/x already exists"),
             exists, E::create},
        Case{"OntoDirectory", 403, remote("IOException", "/a and /b must both be directories"),
             exists, E::create},
        Case{"MissingInMapR", 500, remote("RemoteException", "java.io.FileNotFoundException: /x"),
             missing, E::io},
        Case{"ForeignServer", 404, "<html>Not Found</html>", other, E::io},
        Case{"LongName", 403,
             remote("RemoteException", "The maximum path component name limit of nnn"), invalid,
             E::config},
        Case{"SmallBlock", 403, remote("IOException", "Specified block size 512 is less than"),
             invalid, E::config},
        Case{"EmptyBadRequest", 400, "", invalid, E::config},
        Case{"PlainIo", 403, remote("IOException", "something"), other, E::io},
        Case{"CutJson", 403, R"({"RemoteException":{"exception":"Stan)", permission, E::permission},
        Case{"MessageIsANumber", 403,
             R"({"RemoteException":{"exception":"IOException","message":7}})", other, E::io},
        Case{"OtherJson", 500, R"([1,2])", wait, E::unavailable}),
    [](const auto& entry) { return std::string(entry.param.name); });

// What servers say where the name tells nothing: the whole sentence, so that the word that is
// looked for is seen in its context.
INSTANTIATE_TEST_SUITE_P(
    Sentences, HdfsErrorTest,
    testing::Values(
        Case{"CloseBeforeReplicas", 403,
             remote("IOException",
                    "Unable to close file because the last block "
                    "BP-1-127.0.0.1-1:blk_1073741825_1001 does "
                    "not have enough number of replicas."),
             lease, E::unavailable},
        Case{"LoginCookie", 401, remote("IOException", "AuthenticationToken expired"), token,
             E::unavailable},
        Case{
            "NoReplicaOfHadoop2", 500,
            remote("RemoteException",
                   "File /x could only be replicated to 0 nodes instead of minReplication (=1).  "
                   "There are 2 datanode(s) running and 2 node(s) are excluded in this operation."),
            datanode, E::unavailable},
        Case{"NoActiveOfHadoop2", 403, remote("IOException", "No active nodes contain this block"),
             datanode, E::unavailable},
        Case{"NoBlock", 403, remote("IOException", "Unable to create new block."), datanode,
             E::unavailable},
        Case{"NoLocations", 403,
             remote(
                 "IOException",
                 "Could not get block locations. Source file \\\"/x\\\" - Aborting...block==null"),
             datanode, E::unavailable},
        Case{"NoReplacement", 403,
             remote("IOException",
                    "Failed to replace a bad datanode on the existing pipeline due to no more good "
                    "datanodes being available to try. (Nodes: "
                    "current=[DatanodeInfoWithStorage[127.0.0.1:9866,DS-1,DISK]], "
                    "original=[DatanodeInfoWithStorage[127.0.0.1:9866,DS-1,DISK]])."),
             datanode, E::unavailable},
        Case{"ReservedName", 403,
             remote("RemoteException", "\\\".snapshot\\\" is a reserved name."), invalid,
             E::config},
        Case{"TooManyReplicas", 403,
             remote("IOException",
                    "Requested replication factor of 600 exceeds maximum of 512 for /x"),
             invalid, E::config},
        Case{"DirectoryInText", 500, remote("RemoteException", "/x already exists as a directory"),
             exists, E::create},
        Case{"PipelineReset", 403, remote("IOException", "Connection reset by peer"), wait,
             E::unavailable},
        Case{"PipelineBroken", 403, remote("IOException", "Broken pipe"), wait, E::unavailable}),
    [](const auto& entry) { return std::string(entry.param.name); });

TEST(HdfsErrorText, StandbyAsksTheOtherNameNode) {
  EXPECT_TRUE(classify_reply("a", "p", 403, remote("StandbyException", "")).ask_other_namenode);
  EXPECT_TRUE(classify_reply("a", "p", 403, remote("RetriableException", "Namenode is in startup"))
                  .ask_other_namenode);
  EXPECT_FALSE(classify_reply("a", "p", 403, remote("SafeModeException", "")).ask_other_namenode);
}

TEST(HdfsErrorText, SaysWhatIsWaitedFor) {
  EXPECT_EQ(
      classify_reply("cannot create '/x'", "NameNode http://h:1", 403,
                     remote("SafeModeException", "Cannot create /x. Name node is in safe mode"))
          .waiting_for,
      "NameNode http://h:1: safe mode");
  EXPECT_EQ(classify_reply("a", "NameNode h", 403, remote("DSQuotaExceededException", "m")).retry(),
            HdfsRetry::slowly);
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
