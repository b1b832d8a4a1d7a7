// How to reach a cluster over HTTP, and what the clients of one process share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/http/client.h"

namespace fl {

class HdfsSession;

/// Settings of WebHdfs clients. `endpoints`, `user`, `httpfs` and `kerberos` come from an
/// HdfsLocation; the rest are a user's options or their defaults.
struct WebHdfsSettings {
  /// "http://host:port", of HttpFS also with a path prefix; not empty.
  std::vector<std::string> endpoints;
  /// The endpoints are HttpFS or a gateway like it: uploads take one step.
  bool httpfs = false;
  /// HdfsLocation::service: which of the tokens of a file are for this cluster.
  std::string service = {};
  std::string user;             ///< user.name; not sent with kerberos or a token
  std::string proxy_user = {};  ///< doas: act as this user; empty: as ourselves

  /// SPNEGO. Never falls back to user.name.
  bool kerberos = false;
  /// Log in from this keytab; empty: use the ticket cache (KRB5CCNAME) that kinit fills.
  std::string keytab = {};
  /// Who logs in from the keytab; empty: its first entry. _HOST stands for this host's name.
  std::string principal = {};
  /// A file of delegation tokens; empty: $HADOOP_TOKEN_FILE_LOCATION, else none.
  std::string token_file = {};

  HttpTls tls = {};
  std::vector<HttpAddressMap> connect_map = {};  ///< for hosts behind NAT or in containers
  bool use_proxy = false;                        ///< obey http_proxy of the environment

  std::int64_t connect_timeout_ms = 20'000;
  /// A call that carries no file is answered within this time, and a DataNode sends its first
  /// response (hdfs.callTimeout).
  std::int64_t call_timeout_ms = 30'000;
  /// No byte of an upload in either direction for so long: `datanode`. Longer than the 65 s in
  /// which a DataNode notices that the next one in its pipeline is dead and goes on without it.
  std::int64_t stall_timeout_ms = 100'000;
  /// Uploads that run at the same time to one DataNode (or one HttpFS: four times as many) from
  /// all clients that share a session. A DataNode has few threads for them.
  int uploads_per_datanode = 2;
  /// A DataNode that failed is avoided for so long.
  std::int64_t avoid_datanode_ms = 60'000;

  /// Shared by the clients of one process: which NameNode is active, which DataNodes are busy or
  /// failed, the login. Null: the client has one of its own.
  std::shared_ptr<HdfsSession> session = nullptr;
  /// Looked at about once a second during a request (at once between requests); may be null;
  /// outlives the client. Set: the call ends with `cancelled`, class again.
  const std::atomic<bool>* cancel = nullptr;
};

/// A session for clients with these settings; thread-safe. With kerberos call it before other
/// threads start: it names the ticket cache in the environment. Does no network call.
std::shared_ptr<HdfsSession> make_hdfs_session(const WebHdfsSettings& settings);

}  // namespace fl
