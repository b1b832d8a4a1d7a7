// How the hbase sink proves to a gateway who it is: not at all, by user and password, or by
// Kerberos.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/hadoop/spnego.h"
#include "common/http/posts.h"
#include "common/option/secret.h"

namespace fl {

class PollSet;

/// With Kerberos a request has a token of its own, or the cookie that the gateway gave for an
/// earlier one. What a gateway does not accept is tried once more with the next better proof: after
/// the cookie a token, after the token one of a new login. A password is sent again only once it
/// was accepted. Follows the waiting contract of components.
class HBaseLogin {
 public:
  struct Settings {
    std::string auth = "auto";
    std::string principal;
    std::string keytab;
    std::string user;
    Secret password;
    std::vector<std::string> gateways;
    std::int64_t timeout_ms = 60'000;  ///< for a token
  };

  /// Class usage: options that exclude each other; or why the password cannot be read. Before other
  /// threads start.
  Status open(Settings settings);

  /// The request to `url` may be sent. If not, a token for it is being made (is_busy()).
  /// `has_session`: the client has the cookie kSession of this gateway.
  bool prepare(const std::string& url, bool has_session);
  static constexpr const char* kSession = "hadoop.auth";
  /// The header Authorization of the request that is sent now; empty: none.
  std::string take_authorization();

  bool is_busy() const { return tokens_ && tokens_->is_busy(); }
  void watch(PollSet& set);
  /// Since when a token is being made.
  std::int64_t since_ms() const { return since_ms_; }
  std::int64_t deadline_ms() const { return is_busy() ? since_ms_ + settings_.timeout_ms : -1; }
  /// After the poll: why there is no token. Class unavailable: it may pass.
  std::optional<Error> handle();
  /// Ends the wait for a token. Class unavailable.
  Error give_up();

  /// Whether the gateway did not accept who we say we are.
  static bool is_refusal(const PostOutcome& outcome);
  /// Then: nullopt, the request is to be sent again; or the error, class permission. `shown`: the
  /// gateway.
  std::optional<Error> refused(const PostOutcome& outcome, const std::string& shown);
  /// The gateway has accepted it.
  void accepted();
  /// A ticket that was good has run out, and only a person can get the next one (kinit).
  bool waits_for_kinit(const Error& why) const;

 private:
  enum class Proof { none, session, token, new_token };

  Settings settings_;
  std::string basic_;  // secret
  std::optional<SpnegoTokens> tokens_;
  bool uses_kerberos_ = false;
  bool was_accepted_ = false;
  std::string asked_by_;          // the gateway that has asked for Kerberos; empty: an option
  bool offers_basic_ = false;     // it would take a password, too
  std::string token_;             // for the next request
  Proof proof_ = Proof::none;     // of the last request
  Proof least_ = Proof::session;  // what the next request needs
  std::int64_t since_ms_ = 0;
};

}  // namespace fl
