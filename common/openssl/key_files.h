// Certificates and keys out of PEM and PKCS12.
#pragma once

#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/net/tls.h"
#include "common/openssl/pointers.h"

namespace fl {

/// What a server, or a client that has to show who it is, proves itself with.
struct KeyPair {
  CertificatePtr certificate;
  std::vector<CertificatePtr> chain;  ///< those that lead to its CA
  KeyPtr key;
};

/// Class config: the file is neither of the two, damaged, or the password does not fit.
Result<KeyPair> read_key_pair(const TlsPlan& plan);
/// All certificates of a file, at least one.
Result<std::vector<CertificatePtr>> read_certificates(const TlsFile& file,
                                                      const std::string& password);

}  // namespace fl
