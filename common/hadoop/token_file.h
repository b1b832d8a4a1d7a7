// Hadoop's token files (HADOOP_TOKEN_FILE_LOCATION): delegation tokens that somebody else fetched,
// for processes without a Kerberos ticket (YARN containers, Oozie).
// Format: org.apache.hadoop.security.Credentials: "HDTS", a version byte; 0: Writables, 1: a
// delimited CredentialsProto (Security.proto).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// Secret except for `kind` and `service`: never in a log line.
struct DelegationToken {
  std::string identifier;
  std::string password;
  std::string kind;     ///< "HDFS_DELEGATION_TOKEN", "WEBHDFS delegation", ...
  std::string service;  ///< "IP:port" or "ha-hdfs:nameservice"
};

/// All tokens of a file of at most 1 MiB. Class config when it is damaged, permission when others
/// may read it or we may not.
Result<std::vector<DelegationToken>> read_token_file(const std::string& path);
/// The same from bytes; class config.
Result<std::vector<DelegationToken>> parse_tokens(std::string_view bytes);

/// The value of `delegation=`: the token as a Writable in URL-safe Base64 without padding, as
/// org.apache.hadoop.security.token.Token.encodeToUrlString() writes it.
std::string url_string(const DelegationToken& token);

/// The first token for HDFS whose service is one of `services` ("10.0.0.1:9000", "ha-hdfs:ns1"), or
/// whose host is the host of one; nullptr: none. No other token may go to these servers.
const DelegationToken* find_token(const std::vector<DelegationToken>& tokens,
                                  const std::vector<std::string>& services);

}  // namespace fl
