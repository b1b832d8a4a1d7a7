// The options of TLS, the same for every component that speaks it.
#pragma once

#include <string>
#include <vector>

#include "common/base/units.h"
#include "common/option/option_table.h"

namespace fl {

struct TlsOptions {
  bool use = false;
  std::string asked_by = "--tls";  ///< what sets `use`, for messages
  std::string keystore;
  std::string keystore_key;
  Secret keystore_password;
  std::string keystore_type;
  std::string truststore;  ///< of a server: for certificates of clients
  Secret truststore_password;
  std::string truststore_type;
  bool trust_all_certs = false;
  std::vector<std::string> include_protocols;
  std::vector<std::string> exclude_protocols;
  std::vector<std::string> include_ciphers;
  std::vector<std::string> exclude_ciphers;
  Duration handshake_timeout{10'000};
};

namespace tls_detail {

template <typename Options>
void add_keystore(OptionTable<Options>& table, TlsOptions Options::*part, std::string help) {
  table
      .add("keystore", part, &TlsOptions::keystore, "FILE",
           std::move(help) +
               " PEM or PKCS12. A JKS store of Java is refused with the command that converts it.")
      .path();
  table
      .add("keystoreKey", part, &TlsOptions::keystore_key, "FILE",
           "The private key in PEM, if --keystore does not contain it.")
      .path();
  table.add_secret("keystore-password", part, &TlsOptions::keystore_password,
                   "The password of the key, or of the PKCS12 file.");
}

template <typename Options>
void add_rules(OptionTable<Options>& table, TlsOptions Options::*part) {
  table.add("include-protocols", part, &TlsOptions::include_protocols, "NAME",
            "Allows only these: TLSv1.2, TLSv1.3. Older ones are never used.");
  table.add("exclude-protocols", part, &TlsOptions::exclude_protocols, "NAME",
            "Forbids a protocol, also an included one.");
  table.add("include-cipher-suites", part, &TlsOptions::include_ciphers, "NAME",
            "Allows only these ciphers, by their names in OpenSSL or Java.");
  table.add("exclude-cipher-suites", part, &TlsOptions::exclude_ciphers, "NAME",
            "Forbids a cipher, also an included one.");
}

}  // namespace tls_detail

/// Of a component that listens.
template <typename Options>
void add_tls_server_options(OptionTable<Options>& table, TlsOptions Options::*part) {
  table
      .add("ssl", part, &TlsOptions::use, "BOOL",
           "Connections are encrypted by TLS, version 1.2 or newer; --keystore is needed.")
      .named("tls")
      .alias("ssl");
  tls_detail::add_keystore(table, part,
                           "The server's certificate, those that lead to its CA, and its key:");
  table.add("keystore-type", part, &TlsOptions::keystore_type, "TYPE", "")
      .ignored("the file shows whether it is PEM or PKCS12");
  table
      .add("clientTruststore", part, &TlsOptions::truststore, "FILE",
           "Clients must have a certificate of a CA in this file, PEM or PKCS12; without it they "
           "need none.")
      .path();
  table.add_secret("clientTruststorePassword", part, &TlsOptions::truststore_password,
                   "The password of --client-truststore, if it is PKCS12.");
  tls_detail::add_rules(table, part);
  table.add("handshakeTimeout", part, &TlsOptions::handshake_timeout, "TIME",
            "How long a client may take for the handshake of TLS.");
}

/// Of a component that connects by TLS whenever its URL says so.
template <typename Options>
void add_tls_url_options(OptionTable<Options>& table, TlsOptions Options::*part) {
  table
      .add("truststore", part, &TlsOptions::truststore, "FILE",
           "The CAs that are trusted, PEM or PKCS12; without it those of the system (see "
           "SSL_CERT_FILE in openssl-env(7)).")
      .path();
  table.add_secret("truststore-password", part, &TlsOptions::truststore_password,
                   "The password of --truststore, if it is PKCS12.");
  table.add("truststore-type", part, &TlsOptions::truststore_type, "TYPE", "")
      .ignored("the file shows whether it is PEM or PKCS12");
  table.add(
      "trust-all-certs", part, &TlsOptions::trust_all_certs, "BOOL",
      "Accepts any certificate: the identity of the server is not checked. Logged at each start.");
  tls_detail::add_keystore(table, part,
                           "A certificate and its key, for a server that asks clients for one:");
  tls_detail::add_rules(table, part);
}

/// Of a component that connects.
template <typename Options>
void add_tls_client_options(OptionTable<Options>& table, TlsOptions Options::*part) {
  table
      .add("ssl", part, &TlsOptions::use, "BOOL",
           "The connection is encrypted by TLS, version 1.2 or newer. The server's certificate "
           "must be valid, of a trusted CA, and name the host that is connected to.")
      .named("tls")
      .alias("ssl");
  add_tls_url_options(table, part);
}

}  // namespace fl
