// How the clients of a session prove who they are: a user's name, SPNEGO with a Kerberos ticket, or
// a delegation token.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "common/hadoop/hdfs_error.h"
#include "common/hadoop/kerberos.h"
#include "common/hadoop/webhdfs_settings.h"

namespace fl {

/// Thread-safe. With Kerberos a proof is never a bare name (CVE-2013-2192). Of a NameNode a token
/// is fetched once for all clients and renewed at three quarters of its life, so that calls need no
/// KDC; HttpFS, whose tokens other gateways may not know, gets a ticket each time.
class HdfsLogin {
 public:
  explicit HdfsLogin(const WebHdfsSettings& settings);

  struct Proof {
    std::string query;  ///< "&user.name=u": secret with a token
    bool negotiate = false;
    std::string token;  ///< empty: none
  };
  /// Sends a request about "/" with SPNEGO: method and query ("op=..."). The body of a 200, or what
  /// is wrong.
  using Send = std::function<std::variant<std::string, HdfsError>(const std::string& method,
                                                                  const std::string& query)>;
  HdfsResult<Proof> prove(const std::string& action, const Send& send);
  /// A server did not accept `proof`. True: the next one may be better.
  bool refused(const Proof& proof);
  /// The token of the last proofs is not accepted beyond the NameNode.
  void forget_token();
  /// Our own token, which is given back to the cluster then; empty: none.
  std::string take_token();
  /// `text` without our tokens.
  std::string scrub(std::string text) const;

 private:
  HdfsStatus check_files(const std::string& action) const;
  HdfsStatus ensure_ticket(const std::string& action);
  HdfsStatus fetch_token(const std::string& action, const Send& send);
  void renew_token(const Send& send);
  HdfsStatus read_file(const std::string& action);
  Proof proof() const;

  const WebHdfsSettings settings_;
  std::string token_file_;
  mutable std::mutex mutex_;
  std::optional<KerberosTicket> ticket_;  // guarded by mutex_, as all below
  bool renew_ticket_ = false;
  std::string token_;
  bool is_from_file_ = false;
  bool is_file_useless_ = false;
  bool are_tokens_refused_ = false;
  std::int64_t token_ends_ms_ = 0;  // wall clock
  std::int64_t renew_at_ms_ = 0;
};

}  // namespace fl
