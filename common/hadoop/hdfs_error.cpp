#include "common/hadoop/hdfs_error.h"

#include <algorithm>
#include <array>

#include "common/json/json.h"

namespace fl {
namespace {

constexpr std::size_t kMaxLine = 500;
constexpr std::size_t kMaxBody = 1 << 20;

/// What a RemoteException says; both empty when the body is something else.
struct Remote {
  std::string exception;
  std::string message;
};

Remote parse_remote(std::string_view body) {
  Remote remote;
  Result<Json> root = parse_json(body, kMaxBody);
  Json* inner = root ? root->find("RemoteException") : nullptr;
  if (inner == nullptr) {
    return remote;
  }
  if (Json* exception = inner->find("exception"); exception != nullptr) {
    remote.exception = std::move(exception->string);
  }
  // `message` is null on some failures.
  if (Json* message = inner->find("message"); message != nullptr) {
    remote.message = std::move(message->string);
  }
  return remote;
}

// ---- The one table of what NameNodes and DataNodes answer (RemoteException in JSON) ----

enum class In { name, text };

struct Rule {
  In in;
  std::string_view word;
  HdfsTrouble trouble;
  std::string_view state;  // for HdfsError::waiting_for
};

constexpr std::string_view kStarting = "starting";
constexpr std::string_view kNoDatanode = "no DataNode can take data";
constexpr std::string_view kHeld = "another writer holds the file";
constexpr std::string_view kDenied = "permission denied";
constexpr std::string_view kNoLogin = "the login is refused";
constexpr std::string_view kBadToken = "the token is no longer valid";
constexpr std::string_view kBroken = "its connection to another server broke";
constexpr std::string_view kQuota = "a quota is used up";

// The name of an exception decides, then its text, then a name inside the text (HttpFS and some
// DataNodes say only RemoteException or IOException); of several that fit, the first one.
constexpr std::array kRules = {
    Rule{In::name, "StandbyException", HdfsTrouble::standby, "standby"},
    Rule{In::name, "ObserverRetryOnActiveException", HdfsTrouble::standby, "observer"},
    Rule{In::name, "SafeModeException", HdfsTrouble::wait, "safe mode"},
    Rule{In::name, "RetriableException", HdfsTrouble::wait, kStarting},
    Rule{In::name, "RetryStartFileException", HdfsTrouble::wait, "busy"},
    Rule{In::name, "ServerTooBusyException", HdfsTrouble::wait, "busy"},
    Rule{In::name, "AlreadyBeingCreatedException", HdfsTrouble::lease, kHeld},
    Rule{In::name, "RecoveryInProgressException", HdfsTrouble::lease, "lease recovery"},
    Rule{In::name, "LeaseExpiredException", HdfsTrouble::lease, "the lease was lost"},
    Rule{In::name, "NotReplicatedYetException", HdfsTrouble::lease, "replication"},
    Rule{In::name, "InvalidToken", HdfsTrouble::token, kBadToken},
    Rule{In::name, "FileAlreadyExistsException", HdfsTrouble::exists, {}},
    Rule{In::name, "AccessControlException", HdfsTrouble::permission, kDenied},
    Rule{In::name, "AuthorizationException", HdfsTrouble::permission, kDenied},
    Rule{In::name, "AuthenticationException", HdfsTrouble::permission, kNoLogin},
    Rule{In::name, "DSQuotaExceededException", HdfsTrouble::quota, "the space quota is used up"},
    Rule{In::name, "NSQuotaExceededException", HdfsTrouble::quota, "the name quota is used up"},
    Rule{In::name, "QuotaByStorageTypeExceededException", HdfsTrouble::quota, kQuota},
    Rule{In::name, "QuotaExceededException", HdfsTrouble::quota, kQuota},
    Rule{In::name, "ParentNotDirectoryException", HdfsTrouble::blocked,
         "a file is where a directory should be"},
    Rule{In::name, "UnresolvedPathException", HdfsTrouble::blocked,
         "the path contains a symbolic link"},
    Rule{In::name, "UnresolvedLinkException", HdfsTrouble::blocked,
         "the path contains a symbolic link"},
    Rule{In::name, "PathIsNotEmptyDirectoryException", HdfsTrouble::blocked,
         "the directory is not empty"},
    Rule{In::name, "InvalidPathException", HdfsTrouble::invalid, {}},
    Rule{In::name, "IllegalArgumentException", HdfsTrouble::invalid, {}},
    Rule{In::name, "UnsupportedOperationException", HdfsTrouble::invalid, {}},
    Rule{In::name, "QueryParamException", HdfsTrouble::invalid, {}},
    Rule{In::name, "PathComponentTooLongException", HdfsTrouble::invalid, {}},

    // A writer whose file was removed or replaced: not a directory that vanished.
    Rule{In::text, "does not have any open files", HdfsTrouble::lease, "the lease was lost"},
    Rule{In::text, "lease is currently owned by", HdfsTrouble::lease, kHeld},
    Rule{In::text, "not have enough number of replicas", HdfsTrouble::lease, "replication"},
    Rule{In::text, "can't be found in cache", HdfsTrouble::token, kBadToken},
    Rule{In::text, "InvalidToken", HdfsTrouble::token, kBadToken},
    Rule{In::text, "token is expired", HdfsTrouble::token, kBadToken},
    Rule{In::text, "AuthenticationToken expired", HdfsTrouble::token, kBadToken},
    // How a NameNode says that it cannot decode a token.
    Rule{In::text, "user group information: java.io.EOFException", HdfsTrouble::token, kBadToken},
    Rule{In::text, "is expired", HdfsTrouble::token, kBadToken},
    Rule{In::text, "Failed to find datanode", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "could only be written to", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "could only be replicated to", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "No active and not excluded nodes", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "No active nodes contain", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "are bad. Aborting", HdfsTrouble::datanode, "its DataNodes failed"},
    Rule{In::text, "Unable to create new block", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "Could not get block locations", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "Failed to replace a bad datanode", HdfsTrouble::datanode, kNoDatanode},
    Rule{In::text, "Name node is in safe mode", HdfsTrouble::wait, "safe mode"},
    Rule{In::text, "startup mode", HdfsTrouble::wait, kStarting},
    Rule{In::text, "is not supported in state standby", HdfsTrouble::standby, "standby"},
    Rule{In::text, "Client cannot authenticate", HdfsTrouble::permission, kNoLogin},
    Rule{In::text, "user not authenticated by filter", HdfsTrouble::permission, kNoLogin},
    Rule{In::text, "Permission denied", HdfsTrouble::permission, kDenied},
    Rule{In::text, "maximum path component name limit", HdfsTrouble::invalid, {}},
    Rule{In::text, "is a reserved name", HdfsTrouble::invalid, {}},
    Rule{In::text, "Specified block size", HdfsTrouble::invalid, {}},
    Rule{In::text, "Requested replication factor", HdfsTrouble::invalid, {}},
    Rule{In::text, "already exists as a", HdfsTrouble::exists, {}},
    // NONE onto a directory: a file is not moved into it.
    Rule{In::text, "must both be directories", HdfsTrouble::exists, {}},

    // Names that may stand for several things: the texts above go first.
    Rule{In::name, "FileNotFoundException", HdfsTrouble::missing, {}},
    Rule{In::name, "SecurityException", HdfsTrouble::permission, kNoLogin},
    Rule{In::name, "EOFException", HdfsTrouble::wait, "its NameNode went away"},
    Rule{In::name, "ConnectException", HdfsTrouble::wait, "its NameNode is away"},
    // Of a DataNode's own connections: to the NameNode, or to the next DataNode.
    Rule{In::name, "SocketException", HdfsTrouble::wait, kBroken},
    Rule{In::name, "ClosedChannelException", HdfsTrouble::wait, kBroken},
    Rule{In::text, "Connection reset", HdfsTrouble::wait, kBroken},
    Rule{In::text, "Broken pipe", HdfsTrouble::wait, kBroken},
    Rule{In::name, "NoRouteToHostException", HdfsTrouble::wait, "its NameNode is away"},
    Rule{In::name, "SocketTimeoutException", HdfsTrouble::wait, "its NameNode does not answer"},
    Rule{In::name, "ConnectTimeoutException", HdfsTrouble::wait, "its NameNode does not answer"},
};

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

Rule by_status(long status) {
  if (status == 401) {
    return {In::text, {}, HdfsTrouble::permission, kNoLogin};
  }
  if (status == 403) {
    return {In::text, {}, HdfsTrouble::permission, kDenied};
  }
  if (status == 408 || status == 429 || (status >= 500 && status != 501)) {
    return {In::text, {}, HdfsTrouble::wait, "overloaded or broken"};
  }
  return {In::text, {}, status == 400 ? HdfsTrouble::invalid : HdfsTrouble::other, "refuses"};
}

Rule rule_for(const Remote& remote, long status) {
  if (remote.message.empty() && contains(remote.exception, "EOFException")) {
    // How a DataNode says that it cannot decode a token.
    return {In::name, {}, HdfsTrouble::token, kBadToken};
  }
  for (const Rule& rule : kRules) {
    if (contains(rule.in == In::name ? remote.exception : remote.message, rule.word)) {
      return rule;
    }
  }
  for (const Rule& rule : kRules) {
    if (contains(remote.message, rule.word)) {
      return rule;
    }
  }
  if (!remote.exception.empty() && status != 401) {
    // A plain IOException has the status 403 (WebHDFS) or 500 (HttpFS), which says nothing.
    return {In::name, {}, status >= 502 ? HdfsTrouble::wait : HdfsTrouble::other, "refuses"};
  }
  return by_status(status);
}

ErrorClass class_of(HdfsTrouble trouble) {
  switch (trouble) {
    case HdfsTrouble::standby:
    case HdfsTrouble::wait:
    case HdfsTrouble::datanode:
    case HdfsTrouble::lease:
    case HdfsTrouble::token:
      return ErrorClass::unavailable;
    case HdfsTrouble::permission:
      return ErrorClass::permission;
    case HdfsTrouble::blocked:
    case HdfsTrouble::exists:
      return ErrorClass::create;
    case HdfsTrouble::missing:
    case HdfsTrouble::quota:
    case HdfsTrouble::local:
      return ErrorClass::io;
    case HdfsTrouble::invalid:
      return ErrorClass::config;
    case HdfsTrouble::cancelled:
      return ErrorClass::again;
    case HdfsTrouble::other:
      break;
  }
  return ErrorClass::io;
}

std::string hint_of(const Rule& rule, const Remote& remote, long status) {
  switch (rule.trouble) {
    case HdfsTrouble::permission:
      if (rule.state == kNoLogin) {
        return "the cluster wants a login: is hadoop.security.authentication=kerberos in the "
               "configuration used here, is there a ticket (klist)?";
      }
      return "check the user, and owner and mode of the directory (hdfs dfs -ls -d)";
    case HdfsTrouble::quota:
      return "raise the directory's quota (hdfs dfsadmin -setSpaceQuota, -setQuota) or make room";
    case HdfsTrouble::datanode:
      return "are DataNodes alive and not full? (hdfs dfsadmin -report)";
    case HdfsTrouble::wait:
      return rule.state == "safe mode"
                 ? "the NameNode is in safe mode (hdfs dfsadmin -safemode get)"
                 : "";
    default:
      // HDFS itself always says which file is missing.
      return status == 404 && remote.exception.empty()
                 ? "is this the HTTP address of a NameNode or of HttpFS?"
                 : "";
  }
}

/// Values of secrets in a URL or a header become "***".
void mask(std::string& text) {
  for (const std::string_view name :
       {"delegation=", "token=", "delegation%3D", "token%3D", "hadoop.auth=", "Negotiate "}) {
    for (std::size_t at = text.find(name); at != std::string::npos;
         at = text.find(name, at + name.size())) {
      const std::size_t begin = at + name.size();
      const std::size_t end = std::min(text.find_first_of("&; \t\"'<>\r\n", begin), text.size());
      text.replace(begin, end - begin, "***");
    }
  }
}

}  // namespace

std::string one_line(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    return {};
  }
  text.remove_prefix(begin);
  std::string line(text.substr(0, text.find_first_of("\r\n")));
  mask(line);
  if (line.size() > kMaxLine) {
    std::size_t cut = kMaxLine - 3;
    while (cut > 0 && (static_cast<unsigned char>(line[cut]) & 0xC0) == 0x80) {
      --cut;  // not inside a UTF-8 sequence
    }
    line.resize(cut);
    line += "...";
  }
  const std::size_t last = line.find_last_not_of(kBlanks);
  line.resize(last + 1);
  return line;
}

HdfsRetry retry_of(HdfsTrouble trouble) {
  if (class_of(trouble) == ErrorClass::unavailable) {
    return HdfsRetry::soon;
  }
  switch (trouble) {
    case HdfsTrouble::permission:
    case HdfsTrouble::quota:
    case HdfsTrouble::blocked:
    case HdfsTrouble::other:
      return HdfsRetry::slowly;
    default:
      return HdfsRetry::never;
  }
}

HdfsError hdfs_error(HdfsTrouble trouble, std::string message, std::string hint) {
  HdfsError error;
  error.kind = class_of(trouble);
  error.message = std::move(message);
  error.hint = std::move(hint);
  error.trouble = trouble;
  return error;
}

HdfsError classify_reply(std::string_view action, std::string_view peer, long status,
                         std::string_view body) {
  const Remote remote = parse_remote(body);
  const Rule rule = rule_for(remote, status);
  std::string message = std::string(action) + ": " + std::string(peer) + " answers ";
  const std::string text = one_line(remote.message);
  if (remote.exception.empty()) {
    message += "with HTTP status " + std::to_string(status);
  } else {
    message += one_line(remote.exception) + (text.empty() ? "" : ": " + text);
  }
  HdfsError error = hdfs_error(rule.trouble, std::move(message), hint_of(rule, remote, status));
  // One that starts may take long, and be standby after that.
  error.ask_other_namenode = rule.trouble == HdfsTrouble::standby || rule.state == kStarting;
  if (error.retry() != HdfsRetry::never) {
    error.waiting_for = std::string(peer) + ": " + std::string(rule.state);
  }
  return error;
}

}  // namespace fl
