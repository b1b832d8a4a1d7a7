// What went wrong in TLS, for people.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace fl {

/// The reason of the last error that OpenSSL reported, which is then forgotten. `is_done`: the
/// handshake was over. Never empty.
std::string take_reason(const SSL* ssl, bool is_done);

/// What the peer complains about, if that is what this error code says; else empty.
std::string complaint_of(unsigned long code);

}  // namespace fl
