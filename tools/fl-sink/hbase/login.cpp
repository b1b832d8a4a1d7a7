#include "tools/fl-sink/hbase/login.h"

#include <utility>

#include "common/base/clock.h"
#include "common/base/units.h"
#include "common/io/poll_set.h"
#include "tools/fl-sink/basic_auth.h"

namespace fl {

Status HBaseLogin::open(Settings settings) {
  settings_ = std::move(settings);
  Result<std::string> basic = basic_authorization(settings_.user, settings_.password);
  if (!basic) {
    return basic.error();
  }
  basic_ = std::move(*basic);
  const bool has_keytab = !settings_.keytab.empty() || !settings_.principal.empty();
  uses_kerberos_ = settings_.auth == "kerberos" || (settings_.auth == "auto" && has_keytab);
  if (!basic_.empty()) {
    if (uses_kerberos_) {
      return Error{ErrorClass::usage, "give --user or Kerberos, not both", {}};
    }
    warn_of_readable_password(settings_.gateways);
  } else if (settings_.auth != "simple") {
    tokens_.emplace(settings_.keytab, settings_.principal);
  }
  return {};
}

bool HBaseLogin::prepare(const std::string& url, bool has_session) {
  if (!uses_kerberos_ || !token_.empty() || (has_session && least_ == Proof::session)) {
    return true;
  }
  if (!tokens_->is_busy()) {
    tokens_->ask(HttpPosts::host_of(url), least_ == Proof::new_token);
    since_ms_ = monotonic_ms();
  }
  return false;
}

std::string HBaseLogin::take_authorization() {
  if (!uses_kerberos_) {
    proof_ = Proof::none;
    return basic_;
  }
  proof_ = token_.empty()               ? Proof::session
           : least_ == Proof::new_token ? Proof::new_token
                                        : Proof::token;
  return std::exchange(token_, {});
}

void HBaseLogin::watch(PollSet& set) {
  if (tokens_) {
    tokens_->watch(set);
  }
}

std::optional<Error> HBaseLogin::handle() {
  if (!is_busy()) {
    return std::nullopt;
  }
  std::optional<Result<std::string>> answer = tokens_->take();
  if (!answer) {
    return monotonic_ms() >= deadline_ms() ? std::optional(give_up()) : std::nullopt;
  }
  if (*answer) {
    token_ = std::move(**answer);
    return std::nullopt;
  }
  Error why = answer->error();
  if (!asked_by_.empty()) {
    why.message = asked_by_ + " wants Kerberos: " + why.message;
    why.hint += offers_basic_ ? "; or --user and a password" : "";
  }
  return why;
}

Error HBaseLogin::give_up() {
  tokens_->stop();
  return {ErrorClass::unavailable, "no KDC has answered in time",
          "is a KDC of the realm running? (/etc/krb5.conf, KRB5_CONFIG)"};
}

bool HBaseLogin::is_refusal(const PostOutcome& outcome) {
  // 403 with this word: it cannot read the ticket, for example since its own key has changed.
  return outcome.status == 401 ||
         (outcome.status == 403 && outcome.text.find("GSSException") != std::string::npos);
}

std::optional<Error> HBaseLogin::refused(const PostOutcome& outcome, const std::string& shown) {
  if (uses_kerberos_ && proof_ < Proof::new_token) {
    least_ = proof_ == Proof::session ? Proof::token : Proof::new_token;
    return std::nullopt;
  }
  if (!uses_kerberos_ && tokens_ && outcome.wants_negotiate) {
    uses_kerberos_ = true;
    asked_by_ = shown;
    offers_basic_ = outcome.wants_basic;
    least_ = Proof::token;
    return std::nullopt;
  }
  Error error{ErrorClass::permission, shown + " answers " + std::to_string(outcome.status), {}};
  if (uses_kerberos_) {
    error.message += " to a Kerberos login";
    error.hint = outcome.wants_negotiate || outcome.status == 403
                     ? "may this principal use the gateway, and do its clock and keytab fit?"
                     : "the gateway does not offer Kerberos (SPNEGO)";
  } else if (!basic_.empty()) {
    error.message += " to user '" + settings_.user + "' and the password";
    error.hint = outcome.wants_negotiate && !outcome.wants_basic
                     ? "the gateway wants Kerberos: kinit, or --kerberos-keytab, without --user"
                     : "check --user and the password; it was sent once";
  } else if (outcome.wants_negotiate) {
    error.hint = "the gateway wants Kerberos: leave out --auth simple";
  } else if (outcome.wants_basic) {
    error.hint = "the gateway wants a password: --user NAME --password-file FILE";
  } else {
    error.hint = "the gateway wants a login that it does not offer: --user, or --auth kerberos?";
  }
  return error;
}

void HBaseLogin::accepted() {
  was_accepted_ = true;
  least_ = Proof::session;
}

bool HBaseLogin::waits_for_kinit(const Error& why) const {
  return was_accepted_ && settings_.keytab.empty() && why.kind == ErrorClass::permission;
}

}  // namespace fl
