#include "common/openssl/key_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "common/openssl/reasons.h"

namespace fl {
namespace {

constexpr std::string_view kPem = "-----BEGIN ";
constexpr std::string_view kPemKey = "PRIVATE KEY-----";
constexpr int kMostCertificates = 10'000;

bool is_pem(const TlsFile& file) { return file.bytes.find(kPem) != std::string::npos; }

BioPtr bio_of(const TlsFile& file) {
  return BioPtr(BIO_new_mem_buf(file.bytes.data(), static_cast<int>(file.bytes.size())));
}

struct Password {
  const std::string* text = nullptr;
  bool was_asked = false;
};

int give_password(char* to, int size, int /*rwflag*/, void* data) {
  auto& password = *static_cast<Password*>(data);
  password.was_asked = true;
  const std::string& text = *password.text;
  if (text.empty() || text.size() > static_cast<std::size_t>(size)) {
    return -1;
  }
  std::memcpy(to, text.data(), text.size());
  return static_cast<int>(text.size());
}

Error bad_file(const TlsFile& file, const std::string& what, std::string hint = {}) {
  ERR_clear_error();
  return {ErrorClass::config, "'" + file.path + "' " + what, std::move(hint)};
}

Error wrong_password(const TlsFile& file, bool has_one) {
  return has_one ? bad_file(file, "cannot be opened: the password is wrong")
                 : bad_file(file, "is encrypted, and there is no password for it",
                            "give it by an option that ends with -password-file or -password-env");
}

// ---------------------------------------------------------------- PKCS12

Pkcs12Ptr pkcs12_of(const TlsFile& file) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.bytes.data());
  return Pkcs12Ptr(d2i_PKCS12(nullptr, &bytes, static_cast<long>(file.bytes.size())));
}

bool is_unsupported() {
  for (unsigned long code = 0; (code = ERR_get_error()) != 0;) {
    const int reason = ERR_GET_REASON(code);
    if (reason == ERR_R_UNSUPPORTED || reason == ERR_R_FETCH_FAILED) {
      return true;
    }
  }
  return false;
}

// Ciphers of stores that Java 8 has made.
bool load_old_ciphers() {
  static const ProviderPtr usual(OSSL_PROVIDER_load(nullptr, "default"));
  static const ProviderPtr old(OSSL_PROVIDER_load(nullptr, "legacy"));
  return usual && old;
}

Result<KeyPair> read_pkcs12(const TlsFile& file, const std::string& password) {
  const Pkcs12Ptr store = pkcs12_of(file);
  if (!store) {
    return bad_file(file, "is neither PEM nor PKCS12");
  }
  for (const bool is_again : {false, true}) {
    ERR_clear_error();
    EVP_PKEY* key = nullptr;
    X509* certificate = nullptr;
    STACK_OF(X509)* others = nullptr;
    const int parsed = PKCS12_parse(store.get(), password.c_str(), &key, &certificate, &others);
    KeyPair pair;
    pair.key.reset(key);
    pair.certificate.reset(certificate);
    while (others != nullptr && sk_X509_num(others) > 0) {
      pair.chain.emplace_back(sk_X509_shift(others));
    }
    sk_X509_free(others);
    if (parsed == 1) {
      return pair;
    }
    const unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PKCS12 &&
        ERR_GET_REASON(code) == PKCS12_R_MAC_VERIFY_FAILURE) {
      return wrong_password(file, !password.empty());
    }
    if (!is_unsupported() || is_again || !load_old_ciphers()) {
      break;
    }
  }
  return bad_file(file, "is PKCS12 of a kind that OpenSSL cannot read",
                  "keytool -importkeystore -srckeystore FILE -destkeystore NEW.p12 "
                  "-deststoretype PKCS12 of a newer Java writes it anew");
}

// ---------------------------------------------------------------- PEM

// True: the end of the file, and not a damaged entry.
bool is_at_end() {
  const unsigned long code = ERR_peek_last_error();
  const bool is_end =
      ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (is_end) {
    ERR_clear_error();
  }
  return is_end;
}

Result<std::vector<CertificatePtr>> read_pem_certificates(const TlsFile& file) {
  ERR_clear_error();
  const BioPtr bio = bio_of(file);
  std::vector<CertificatePtr> found;
  while (found.size() < kMostCertificates) {
    CertificatePtr one(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
    if (!one) {
      if (!is_at_end()) {
        return bad_file(file, "contains a damaged certificate");
      }
      break;
    }
    found.push_back(std::move(one));
  }
  return found;
}

Result<KeyPtr> read_pem_key(const TlsFile& file, const std::string& text) {
  ERR_clear_error();
  const BioPtr bio = bio_of(file);
  Password password{&text, false};
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, give_password, &password));
  if (key) {
    return key;
  }
  if (password.was_asked) {
    return wrong_password(file, !text.empty());
  }
  return file.bytes.find(kPemKey) == std::string::npos
             ? bad_file(file, "contains no private key")
             : bad_file(file, "contains a damaged private key");
}

}  // namespace

Result<KeyPair> read_key_pair(const TlsPlan& plan) {
  const TlsFile& file = plan.certificate;
  const TlsFile& key_file = plan.key.path.empty() ? file : plan.key;
  KeyPair pair;
  if (is_pem(file)) {
    auto found = read_pem_certificates(file);
    if (!found) {
      return found.error();
    }
    if (found->empty()) {
      return bad_file(file, "contains no certificate");
    }
    pair.certificate = std::move(found->front());
    found->erase(found->begin());
    pair.chain = std::move(*found);
  } else {
    auto found = read_pkcs12(file, plan.password);
    if (!found) {
      return found.error();
    }
    pair = std::move(*found);
  }
  if (!pair.key || !plan.key.path.empty()) {
    if (!is_pem(key_file)) {
      return bad_file(key_file, "contains no private key");
    }
    auto key = read_pem_key(key_file, plan.password);
    if (!key) {
      if (plan.key.path.empty()) {
        Error error = key.error();
        error.hint = error.hint.empty() ? "--keystore-key names the file with the key" : error.hint;
        return error;
      }
      return key.error();
    }
    pair.key = std::move(*key);
  }
  if (!pair.certificate) {
    return bad_file(file, "contains no certificate of its key");
  }
  if (X509_check_private_key(pair.certificate.get(), pair.key.get()) != 1) {
    return bad_file(key_file, "contains a key that does not belong to the certificate");
  }
  return pair;
}

Result<std::vector<CertificatePtr>> read_certificates(const TlsFile& file,
                                                      const std::string& password) {
  std::vector<CertificatePtr> all;
  if (is_pem(file)) {
    auto found = read_pem_certificates(file);
    if (!found) {
      return found.error();
    }
    all = std::move(*found);
  } else {
    auto found = read_pkcs12(file, password);
    if (!found) {
      return found.error();
    }
    all = std::move(found->chain);
    if (found->certificate) {
      all.push_back(std::move(found->certificate));
    }
  }
  if (all.empty()) {
    return bad_file(file, "contains no certificate");
  }
  return all;
}

}  // namespace fl
