#include "common/openssl/ciphers.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "common/openssl/pointers.h"

namespace fl {
namespace {

using Names = std::vector<std::string>;

bool has(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_tls13(const std::string& cipher) {
  return cipher.starts_with("TLS_AES_") || cipher.starts_with("TLS_CHACHA20_");
}

// ---------------------------------------------------------------- protocols

enum class Protocol { none, old, tls12, tls13 };

Protocol protocol_of(std::string_view name) {
  std::string lower;
  for (const char c : name) {
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (lower == "tlsv1.2" || lower == "tlsv1_2") {
    return Protocol::tls12;
  }
  if (lower == "tlsv1.3" || lower == "tlsv1_3") {
    return Protocol::tls13;
  }
  const bool is_old = lower == "sslv2hello" || lower == "sslv2" || lower == "sslv3" ||
                      lower == "tlsv1" || lower == "tlsv1.0" || lower == "tlsv1.1";
  return is_old ? Protocol::old : Protocol::none;
}

// ---------------------------------------------------------------- ciphers

Names names_of(const STACK_OF(SSL_CIPHER) * ciphers) {
  Names names;
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    names.emplace_back(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)));
  }
  return names;
}

// OpenSSL's name of a cipher; empty: it is not among `known`.
std::string known_name(const std::string& name, const Names& known) {
  if (has(known, name)) {
    return name;
  }
  // Java calls old ones SSL_, the standard TLS_.
  const std::string standard = name.starts_with("SSL_") ? "TLS_" + name.substr(4) : name;
  const char* const found = OPENSSL_cipher_name(standard.c_str());
  return found != nullptr && has(known, found) ? found : std::string();
}

std::string joined(const Names& names, bool of_tls13) {
  std::string text;
  for (const std::string& name : names) {
    if (is_tls13(name) == of_tls13) {
      text += (text.empty() ? "" : ":") + name;
    }
  }
  return text;
}

// Every cipher that encrypts and authenticates.
Names all_ciphers() {
  const SslContextPtr context(SSL_CTX_new(TLS_method()));
  if (!context || SSL_CTX_set_cipher_list(context.get(), "ALL:!aNULL:!eNULL") != 1) {
    return {};
  }
  return names_of(SSL_CTX_get_ciphers(context.get()));
}

Error none_left(const std::string& what) {
  return {ErrorClass::config, "no " + what + " is left to use",
          "include and exclude fewer of them"};
}

}  // namespace

Status choose_protocols(SSL_CTX* context, const TlsPlan& plan, Names& notes) {
  bool allows12 = plan.include_protocols.empty();
  bool allows13 = allows12;
  for (const std::string& name : plan.include_protocols) {
    const Protocol protocol = protocol_of(name);
    allows12 = allows12 || protocol == Protocol::tls12;
    allows13 = allows13 || protocol == Protocol::tls13;
    if (protocol == Protocol::old) {
      notes.push_back("protocol '" + name + "' is too weak and not used: TLS 1.2 is the oldest");
    } else if (protocol == Protocol::none) {
      return Error{ErrorClass::config, "'" + name + "' is not a TLS protocol",
                   "there are TLSv1.2 and TLSv1.3"};
    }
  }
  for (const std::string& name : plan.exclude_protocols) {
    const Protocol protocol = protocol_of(name);
    allows12 = allows12 && protocol != Protocol::tls12;
    allows13 = allows13 && protocol != Protocol::tls13;
    if (protocol == Protocol::none) {
      return Error{ErrorClass::config, "'" + name + "' is not a TLS protocol",
                   "there are TLSv1.2 and TLSv1.3"};
    }
  }
  if (!allows12 && !allows13) {
    return none_left("TLS protocol");
  }
  SSL_CTX_set_min_proto_version(context, allows12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, allows13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  return {};
}

Status choose_ciphers(SSL_CTX* context, const TlsPlan& plan, Names& notes) {
  if (plan.include_ciphers.empty() && plan.exclude_ciphers.empty()) {
    return {};
  }
  const Names known = all_ciphers();
  Names allowed;
  for (const std::string& name : plan.include_ciphers) {
    const std::string found = known_name(name, known);
    if (found.empty()) {
      notes.push_back("cipher suite '" + name + "' is unknown, or too weak, and not used");
    } else if (!has(allowed, found)) {
      allowed.push_back(found);
    }
  }
  if (plan.include_ciphers.empty()) {
    allowed = names_of(SSL_CTX_get_ciphers(context));
  }
  for (const std::string& name : plan.exclude_ciphers) {
    const std::string found = known_name(name, known);
    if (found.empty()) {
      notes.push_back("cipher suite '" + name + "' is unknown: excluding it changes nothing");
    } else {
      std::erase(allowed, found);
    }
  }
  const std::string of12 = joined(allowed, false);
  const std::string of13 = joined(allowed, true);
  if (of12.empty()) {
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  } else if (SSL_CTX_set_cipher_list(context, of12.c_str()) != 1) {
    return none_left("cipher suite");
  }
  if (of13.empty()) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  }
  const bool has_protocol =
      (!of12.empty() && SSL_CTX_get_min_proto_version(context) == TLS1_2_VERSION) ||
      (!of13.empty() && SSL_CTX_get_max_proto_version(context) == TLS1_3_VERSION);
  if (!has_protocol || SSL_CTX_set_ciphersuites(context, of13.c_str()) != 1) {
    return none_left("cipher suite");
  }
  return {};
}

bool copy_choice(SSL_CTX* from, SSL_CTX* to) {
  const Names names = names_of(SSL_CTX_get_ciphers(from));
  const std::string of12 = joined(names, false);
  return SSL_CTX_set_min_proto_version(to, static_cast<int>(SSL_CTX_get_min_proto_version(from))) ==
             1 &&
         SSL_CTX_set_max_proto_version(to, static_cast<int>(SSL_CTX_get_max_proto_version(from))) ==
             1 &&
         (of12.empty() || SSL_CTX_set_cipher_list(to, of12.c_str()) == 1) &&
         SSL_CTX_set_ciphersuites(to, joined(names, true).c_str()) == 1;
}

}  // namespace fl
