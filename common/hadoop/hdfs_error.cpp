#include "common/hadoop/hdfs_error.h"

#include <simdjson.h>

#include <algorithm>
#include <array>

namespace fl {
namespace {

constexpr std::size_t kMaxLine = 500;

/// What a RemoteException says; both empty when the body is something else.
struct Remote {
  std::string exception;
  std::string message;
};

Remote parse_remote(std::string_view body) {
  Remote remote;
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) {
    return remote;
  }
  std::string_view text;
  if (root["RemoteException"]["exception"].get(text) == simdjson::SUCCESS) {
    remote.exception = text;
  }
  // `message` is null on some failures.
  if (root["RemoteException"]["message"].get(text) == simdjson::SUCCESS) {
    remote.message = text;
  }
  return remote;
}

struct Rule {
  std::string_view word;
  HdfsTrouble trouble;
};

// The real name of an exception may stand in the text of a RemoteException only.
constexpr std::array kByName = {
    Rule{"StandbyException", HdfsTrouble::retry},
    Rule{"ObserverRetryOnActiveException", HdfsTrouble::retry},
    Rule{"RetriableException", HdfsTrouble::retry},
    Rule{"SafeModeException", HdfsTrouble::retry},
    Rule{"AlreadyBeingCreatedException", HdfsTrouble::retry},
    Rule{"RecoveryInProgressException", HdfsTrouble::retry},
    Rule{"NotReplicatedYetException", HdfsTrouble::retry},
    Rule{"LeaseExpiredException", HdfsTrouble::retry},
    Rule{"EOFException", HdfsTrouble::retry},
    Rule{"ConnectException", HdfsTrouble::retry},
    Rule{"NoRouteToHostException", HdfsTrouble::retry},
    Rule{"SocketTimeoutException", HdfsTrouble::retry},
    Rule{"FileAlreadyExistsException", HdfsTrouble::exists},
    Rule{"AccessControlException", HdfsTrouble::permission},
    Rule{"AuthorizationException", HdfsTrouble::permission},
    Rule{"AuthenticationException", HdfsTrouble::permission},
    Rule{"InvalidToken", HdfsTrouble::permission},
    Rule{"SecurityException", HdfsTrouble::permission},
    Rule{"DSQuotaExceededException", HdfsTrouble::quota},
    Rule{"NSQuotaExceededException", HdfsTrouble::quota},
    Rule{"QuotaByStorageTypeExceededException", HdfsTrouble::quota},
    Rule{"FileNotFoundException", HdfsTrouble::missing},
    Rule{"InvalidPathException", HdfsTrouble::invalid},
    Rule{"IllegalArgumentException", HdfsTrouble::invalid},
    Rule{"UnsupportedOperationException", HdfsTrouble::invalid},
    Rule{"QueryParamException", HdfsTrouble::invalid},
    Rule{"PathComponentTooLongException", HdfsTrouble::invalid},
    Rule{"ParentNotDirectoryException", HdfsTrouble::other},
    Rule{"UnresolvedPathException", HdfsTrouble::other},
    Rule{"PathIsNotEmptyDirectoryException", HdfsTrouble::other},
};

constexpr std::array kByText = {
    Rule{"Failed to find datanode", HdfsTrouble::retry},
    Rule{"could only be written to", HdfsTrouble::retry},
    Rule{"could only be replicated to", HdfsTrouble::retry},
    Rule{"No active and not excluded nodes", HdfsTrouble::retry},
    Rule{"No active nodes contain", HdfsTrouble::retry},
    Rule{"are bad. Aborting", HdfsTrouble::retry},
    Rule{"Unable to create new block", HdfsTrouble::retry},
    Rule{"Could not get block locations", HdfsTrouble::retry},
    Rule{"not enough number of replicas", HdfsTrouble::retry},
    Rule{"Name node is in safe mode", HdfsTrouble::retry},
    Rule{"startup mode", HdfsTrouble::retry},
    Rule{"is not supported in state standby", HdfsTrouble::retry},
    Rule{"Client cannot authenticate", HdfsTrouble::permission},
    Rule{"Permission denied", HdfsTrouble::permission},
    Rule{"maximum path component name limit", HdfsTrouble::invalid},
    Rule{"is a reserved name", HdfsTrouble::invalid},
    Rule{"Specified block size", HdfsTrouble::invalid},
    Rule{"Requested replication factor", HdfsTrouble::invalid},
    Rule{"already exists as a", HdfsTrouble::exists},
    // NONE onto a directory: a file is not moved into it.
    Rule{"must both be directories", HdfsTrouble::exists},
};

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

HdfsTrouble by_status(long status) {
  if (status == 401 || status == 403) {
    return HdfsTrouble::permission;
  }
  if (status == 408 || status == 429 || (status >= 500 && status != 501)) {
    return HdfsTrouble::retry;
  }
  return status == 400 ? HdfsTrouble::invalid : HdfsTrouble::other;
}

HdfsTrouble trouble_of(const Remote& remote, long status) {
  for (const Rule& rule : kByName) {
    if (contains(remote.exception, rule.word)) {
      // A token that the server no longer knows comes as an EOFException without a text.
      const bool bad_token = rule.word == "EOFException" && remote.message.empty();
      // "SecurityException: ...: java.io.EOFException" and the like stay what their name says.
      return bad_token ? HdfsTrouble::permission : rule.trouble;
    }
  }
  for (const Rule& rule : kByText) {
    if (contains(remote.message, rule.word)) {
      return rule.trouble;
    }
  }
  // Names inside the text: only where the name itself says nothing.
  for (const Rule& rule : kByName) {
    if (contains(remote.message, rule.word)) {
      return rule.trouble;
    }
  }
  if (!remote.exception.empty() && status != 401) {
    // A plain IOException has the status 403 (WebHDFS) or 500 (HttpFS), which says nothing.
    return status >= 502 ? HdfsTrouble::retry : HdfsTrouble::other;
  }
  return by_status(status);
}

ErrorClass class_of(HdfsTrouble trouble) {
  switch (trouble) {
    case HdfsTrouble::retry:
      return ErrorClass::unavailable;
    case HdfsTrouble::permission:
      return ErrorClass::permission;
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

std::string hint_of(HdfsTrouble trouble, const Remote& remote, long status) {
  switch (trouble) {
    case HdfsTrouble::permission:
      return status == 401 ? "the cluster wants a login (Kerberos) or a user name"
                           : "check the user, and owner and mode of the directory "
                             "(hdfs dfs -ls -d)";
    case HdfsTrouble::quota:
      return "raise the directory's quota (hdfs dfsadmin -setSpaceQuota, -setQuota) or make room";
    case HdfsTrouble::retry:
      if (contains(remote.exception, "SafeMode")) {
        return "the NameNode is in safe mode (hdfs dfsadmin -safemode get)";
      }
      return contains(remote.message, "datanode") || contains(remote.message, "minReplication")
                 ? "are DataNodes alive and not full? (hdfs dfsadmin -report)"
                 : "";
    default:
      // HDFS itself always says which file is missing.
      return status == 404 && remote.exception.empty()
                 ? "is this the HTTP address of a NameNode or of HttpFS?"
                 : "";
  }
}

/// Values of token and delegation in a URL become "***".
void mask(std::string& text) {
  for (const std::string_view name : {"delegation=", "token="}) {
    for (std::size_t at = text.find(name); at != std::string::npos;
         at = text.find(name, at + name.size())) {
      const std::size_t begin = at + name.size();
      const std::size_t end = std::min(text.find_first_of("& \t\"'<>\r\n", begin), text.size());
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

HdfsError classify_reply(std::string_view action, std::string_view peer, long status,
                         std::string_view body) {
  const Remote remote = parse_remote(body);
  HdfsError error;
  error.trouble = trouble_of(remote, status);
  error.kind = class_of(error.trouble);
  error.ask_other_namenode = contains(remote.exception, "StandbyException") ||
                             contains(remote.exception, "ObserverRetryOnActiveException") ||
                             contains(remote.message, "StandbyException") ||
                             contains(remote.message, "in state standby");
  error.message = std::string(action) + ": " + std::string(peer) + " answers ";
  const std::string text = one_line(remote.message);
  if (remote.exception.empty()) {
    error.message += "with HTTP status " + std::to_string(status);
  } else {
    error.message += one_line(remote.exception) + (text.empty() ? "" : ": " + text);
  }
  error.hint = hint_of(error.trouble, remote, status);
  return error;
}

}  // namespace fl
