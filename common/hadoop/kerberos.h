// The Kerberos credentials that SPNEGO uses: those of a ticket cache that kinit fills, or our own
// from a keytab. The only place that knows libkrb5.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/error.h"

namespace fl {

/// Whether nobody but its owner and group may read this keytab or key, which is as good as a
/// password. Class permission; a missing file is not reported here.
Status check_private(const std::string& path);

/// Not thread-safe; its owner has a lock.
class KerberosTicket {
 public:
  /// With a keytab the ticket lives in memory and KRB5CCNAME is set for the whole process: make it
  /// before other threads start. Two of the same keytab and principal share one ticket.
  /// Empty principal: the keytab's first; _HOST in it stands for this host's name.
  KerberosTicket(std::string keytab, std::string principal);

  /// Makes sure that there is a ticket that is valid now. From a keytab it is taken anew when three
  /// quarters of its life are over, or when `renew` (the server refused it); an old one that is
  /// still valid is kept if the KDC does not answer. A ticket cache is read again each time, so a
  /// kinit outside is noticed. Class permission, with "run kinit" when that is what helps, or
  /// unavailable (no KDC answers).
  Status ensure(bool renew = false);
  /// After ensure(): makes sure that the ticket cache also holds a ticket for the HTTP service of
  /// `host`. Class permission (the KDC does not know the service) or unavailable.
  Status ensure_service(const std::string& host);
  /// Who the ticket is for ("alice@EXAMPLE.COM"), after ensure(); may be empty.
  const std::string& principal() const { return name_; }

 private:
  Status log_in();

  const std::string keytab_;
  const std::string wanted_principal_;
  std::string cache_;  // the one in memory; empty without a keytab
  std::string name_;
  std::int64_t valid_until_ = 0;  // seconds since 1970
  std::int64_t renew_at_ = 0;
};

}  // namespace fl
