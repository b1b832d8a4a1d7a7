#include "common/hadoop/kerberos.h"

#include <krb5.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <functional>
#include <utility>

namespace fl {
namespace {

/// A Kerberos context and what was taken from it, given back at its end.
class Krb5 {
 public:
  Krb5() { code_ = krb5_init_context(&context_); }
  ~Krb5() {
    if (context_ == nullptr) {
      return;
    }
    if (cache_ != nullptr) {
      krb5_cc_close(context_, cache_);
    }
    if (keytab_ != nullptr) {
      krb5_kt_close(context_, keytab_);
    }
    krb5_free_principal(context_, principal_);
    krb5_free_context(context_);
  }
  Krb5(const Krb5&) = delete;
  Krb5& operator=(const Krb5&) = delete;

  bool ok() const { return code_ == 0; }
  krb5_error_code code() const { return code_; }
  krb5_context context() { return context_; }
  /// Remembers the outcome of a call.
  bool did(krb5_error_code code) {
    code_ = code;
    return code == 0;
  }
  std::string reason() {
    if (context_ == nullptr) {
      return "libkrb5 could not be set up; is /etc/krb5.conf or KRB5_CONFIG right?";
    }
    const char* text = krb5_get_error_message(context_, code_);
    std::string reason = text == nullptr ? "unknown reason" : text;
    krb5_free_error_message(context_, text);
    return reason;
  }
  std::string name_of(krb5_principal principal) {
    char* text = nullptr;
    if (krb5_unparse_name(context_, principal, &text) != 0) {
      return {};
    }
    std::string name = text;
    krb5_free_unparsed_name(context_, text);
    return name;
  }

  krb5_ccache cache_ = nullptr;
  krb5_keytab keytab_ = nullptr;
  krb5_principal principal_ = nullptr;

 private:
  krb5_context context_ = nullptr;
  krb5_error_code code_ = 0;
};

std::string this_host() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0) {
    return "localhost";
  }
  std::string host = name;
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(name, nullptr, &hints, &found) == 0) {
    if (found->ai_canonname != nullptr) {
      host = found->ai_canonname;
    }
    freeaddrinfo(found);
  }
  std::transform(host.begin(), host.end(), host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return host;
}

constexpr const char* kFindKdc = "is a KDC of the realm running? (/etc/krb5.conf, KRB5_CONFIG)";

/// Tries that may succeed later: the KDC is away.
bool is_away(krb5_error_code code) {
  return code == KRB5_KDC_UNREACH || code == KRB5_REALM_CANT_RESOLVE ||
         code == KRB5KDC_ERR_SVC_UNAVAILABLE;
}

bool take_first_principal(Krb5& krb5) {
  krb5_kt_cursor cursor{};
  if (!krb5.did(krb5_kt_start_seq_get(krb5.context(), krb5.keytab_, &cursor))) {
    return false;
  }
  krb5_keytab_entry entry{};
  if (krb5.did(krb5_kt_next_entry(krb5.context(), krb5.keytab_, &entry, &cursor))) {
    krb5.did(krb5_copy_principal(krb5.context(), entry.principal, &krb5.principal_));
    krb5_free_keytab_entry_contents(krb5.context(), &entry);
  }
  krb5_kt_end_seq_get(krb5.context(), krb5.keytab_, &cursor);
  return krb5.ok();
}

/// When the last of the cache's tickets ends; 0: it has none.
std::int64_t end_of_tickets(Krb5& krb5) {
  krb5_cc_cursor cursor = nullptr;
  if (krb5_cc_start_seq_get(krb5.context(), krb5.cache_, &cursor) != 0) {
    return 0;
  }
  std::int64_t end = 0;
  krb5_creds credentials{};
  while (krb5_cc_next_cred(krb5.context(), krb5.cache_, &cursor, &credentials) == 0) {
    if (!krb5_is_config_principal(krb5.context(), credentials.server)) {
      // Unsigned on the wire: good until 2106.
      end = std::max<std::int64_t>(end, static_cast<std::uint32_t>(credentials.times.endtime));
    }
    krb5_free_cred_contents(krb5.context(), &credentials);
  }
  krb5_cc_end_seq_get(krb5.context(), krb5.cache_, &cursor);
  return end;
}

/// Whether libkrb5 logs in by itself from a keytab that the environment names.
bool has_client_keytab(Krb5& krb5) {
  krb5_keytab keytab = nullptr;
  if (krb5_kt_client_default(krb5.context(), &keytab) != 0) {
    return false;
  }
  const bool has = krb5_kt_have_content(krb5.context(), keytab) == 0;
  krb5_kt_close(krb5.context(), keytab);
  return has;
}

}  // namespace

Status check_private(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0) {
    return Error{ErrorClass::permission, "everybody may read '" + path + "'",
                 "anyone who can read it can act as its owner: chmod 600"};
  }
  return {};
}

KerberosTicket::KerberosTicket(std::string keytab, std::string principal)
    : keytab_(std::move(keytab)), wanted_principal_(std::move(principal)) {
  if (!keytab_.empty()) {
    const std::size_t id = std::hash<std::string>()(keytab_ + '\n' + wanted_principal_);
    cache_ = "MEMORY:fl-" + std::to_string(id);
    setenv("KRB5CCNAME", cache_.c_str(), 1);
  }
}

Status KerberosTicket::ensure(bool renew) {
  const std::int64_t now = std::time(nullptr);
  if (!keytab_.empty()) {
    if (!renew && now < renew_at_) {
      return {};
    }
    Status done = log_in();
    if (!done && now < valid_until_ && !renew) {
      renew_at_ = now + 60;
      return {};
    }
    return done;
  }
  Krb5 krb5;
  if (!krb5.ok() || !krb5.did(krb5_cc_default(krb5.context(), &krb5.cache_))) {
    return Error{ErrorClass::permission, "cannot find a Kerberos ticket: " + krb5.reason(),
                 "run kinit"};
  }
  std::string place = krb5_cc_get_type(krb5.context(), krb5.cache_);
  place += ":";
  place += krb5_cc_get_name(krb5.context(), krb5.cache_);
  std::int64_t end = 0;
  if (krb5_cc_get_principal(krb5.context(), krb5.cache_, &krb5.principal_) == 0) {
    name_ = krb5.name_of(krb5.principal_);
    end = end_of_tickets(krb5);
  }
  if (end > now || has_client_keytab(krb5)) {
    return {};
  }
  if (end == 0) {
    return Error{ErrorClass::permission, "there is no Kerberos ticket in " + place,
                 "run kinit, or give a keytab and its principal"};
  }
  return Error{ErrorClass::permission,
               "the Kerberos ticket of " + name_ + " in " + place + " has expired",
               "run kinit, or give a keytab and its principal"};
}

Status KerberosTicket::ensure_service(const std::string& host) {
  Krb5 krb5;
  if (!krb5.ok() || !krb5.did(krb5_cc_default(krb5.context(), &krb5.cache_)) ||
      !krb5.did(krb5_cc_get_principal(krb5.context(), krb5.cache_, &krb5.principal_))) {
    return {};  // libkrb5 fills the cache by itself, from a keytab that the environment names
  }
  krb5_creds wanted{};
  krb5_creds* found = nullptr;
  wanted.client = krb5.principal_;
  const bool is_there =
      krb5.did(krb5_sname_to_principal(krb5.context(), host.c_str(), "HTTP", KRB5_NT_SRV_HST,
                                       &wanted.server)) &&
      krb5.did(krb5_get_credentials(krb5.context(), 0, krb5.cache_, &wanted, &found));
  Status done;
  if (!is_there) {
    const bool away = is_away(krb5.code());
    done = Error{away ? ErrorClass::unavailable : ErrorClass::permission,
                 "cannot get a Kerberos ticket for HTTP/" + host + ": " + krb5.reason(),
                 away ? kFindKdc : "the URL must name the host as the KDC knows it"};
  }
  krb5_free_principal(krb5.context(), wanted.server);
  krb5_free_creds(krb5.context(), found);
  return done;
}

Status KerberosTicket::log_in() {
  const std::string action = "cannot log in from the keytab '" + keytab_ + "'";
  Krb5 krb5;
  const auto failed = [&](const std::string& what) {
    const bool away = is_away(krb5.code());
    return Error{away ? ErrorClass::unavailable : ErrorClass::permission,
                 what + ": " + krb5.reason(),
                 away ? kFindKdc : "look into it with klist -k, try it with kinit -k -t"};
  };
  const std::string keytab = keytab_.starts_with('/') || keytab_.find(':') == std::string::npos
                                 ? "FILE:" + keytab_
                                 : keytab_;
  if (!krb5.ok() || !krb5.did(krb5_kt_resolve(krb5.context(), keytab.c_str(), &krb5.keytab_)) ||
      !krb5.did(krb5_kt_have_content(krb5.context(), krb5.keytab_))) {
    return failed(action);
  }
  if (wanted_principal_.empty()) {
    if (!take_first_principal(krb5)) {
      return failed(action);
    }
  } else {
    std::string name = wanted_principal_;
    if (const std::size_t at = name.find("_HOST"); at != std::string::npos) {
      name.replace(at, 5, this_host());
    }
    if (!krb5.did(krb5_parse_name(krb5.context(), name.c_str(), &krb5.principal_))) {
      return failed("'" + name + "' is not the name of a principal");
    }
  }
  name_ = krb5.name_of(krb5.principal_);
  krb5_creds credentials{};
  if (!krb5.did(krb5_get_init_creds_keytab(krb5.context(), &credentials, krb5.principal_,
                                           krb5.keytab_, 0, nullptr, nullptr))) {
    return failed(action + " as " + name_);
  }
  const std::int64_t begin = std::time(nullptr);
  valid_until_ = static_cast<std::uint32_t>(credentials.times.endtime);
  renew_at_ = begin + std::max<std::int64_t>(1, (valid_until_ - begin) * 3 / 4);
  const bool kept = krb5.did(krb5_cc_resolve(krb5.context(), cache_.c_str(), &krb5.cache_)) &&
                    krb5.did(krb5_cc_initialize(krb5.context(), krb5.cache_, krb5.principal_)) &&
                    krb5.did(krb5_cc_store_cred(krb5.context(), krb5.cache_, &credentials));
  krb5_free_cred_contents(krb5.context(), &credentials);
  return kept ? Status() : Status(failed(action));
}

}  // namespace fl
