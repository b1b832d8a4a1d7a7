// Which TLS versions and ciphers are allowed.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/net/tls.h"

namespace fl {

/// At least TLS 1.2, whatever the plan says. Adds to `notes` what has no effect. Class config:
/// nothing is left.
Status choose_protocols(SSL_CTX* context, const TlsPlan& plan, std::vector<std::string>& notes);
/// After that.
Status choose_ciphers(SSL_CTX* context, const TlsPlan& plan, std::vector<std::string>& notes);
/// Gives `to` what was chosen for `from`.
bool copy_choice(SSL_CTX* from, SSL_CTX* to);

}  // namespace fl
