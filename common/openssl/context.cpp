// Certificates, keys and rules become an SSL_CTX.
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <string>
#include <utility>

#include "common/net/tls.h"
#include "common/openssl/ciphers.h"
#include "common/openssl/key_files.h"
#include "common/openssl/pointers.h"
#include "common/openssl/reasons.h"
#include "common/openssl/session.h"

namespace fl {
namespace {

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

class OpensslContext final : public TlsContext {
 public:
  Status build(const TlsPlan& plan) {
    is_server_ = plan.is_server;
    checks_host_ = !plan.is_server && !plan.trusts_all;
    context_.reset(SSL_CTX_new(plan.is_server ? TLS_server_method() : TLS_client_method()));
    if (!context_) {
      ERR_clear_error();
      return Error{ErrorClass::config, "OpenSSL cannot be used", "see its openssl.cnf"};
    }
    SSL_CTX* const context = context_.get();
    // A client that only writes and then closes must not lose what it sent, because a ticket that
    // it never read resets the connection.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    for (const auto choose : {choose_protocols, choose_ciphers}) {
      if (Status status = choose(context, plan, notes_); !status) {
        return status;
      }
    }
    if (!plan.certificate.path.empty()) {
      if (Status status = use_key_pair(plan); !status) {
        return status;
      }
    }
    return use_trust(plan);
  }

  std::unique_ptr<TlsSession> session(int fd, const std::string& host) override {
    ERR_clear_error();
    SslPtr ssl(SSL_new(context_.get()));
    bool is_good = ssl && SSL_set_fd(ssl.get(), fd) == 1;
    if (is_good && is_server_) {
      SSL_set_accept_state(ssl.get());
    } else if (is_good) {
      SSL_set_connect_state(ssl.get());
      is_good = is_address(host) ||
                SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                         const_cast<char*>(host.c_str())) == 1;  // it is copied
    }
    if (is_good && checks_host_) {
      X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl.get());
      X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      is_good = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1
                                 : X509_VERIFY_PARAM_set1_host(rules, host.c_str(), 0) == 1;
    }
    if (!is_good) {
      ERR_clear_error();
      return std::make_unique<OpensslSession>("OpenSSL cannot begin a session");
    }
    return std::make_unique<OpensslSession>(std::move(ssl));
  }

  bool equip(void* ssl_context) const override {
    auto* const to = static_cast<SSL_CTX*>(ssl_context);
    SSL_CTX* const from = context_.get();
    ERR_clear_error();
    SSL_CTX_set_options(to, SSL_CTX_get_options(from));
    bool is_good = copy_choice(from, to);
    if (X509* const certificate = SSL_CTX_get0_certificate(from); certificate != nullptr) {
      STACK_OF(X509)* chain = nullptr;
      is_good = is_good && SSL_CTX_use_certificate(to, certificate) == 1 &&
                SSL_CTX_use_PrivateKey(to, SSL_CTX_get0_privatekey(from)) == 1 &&
                SSL_CTX_get0_chain_certs(from, &chain) == 1 && SSL_CTX_set1_chain(to, chain) == 1;
    }
    SSL_CTX_set1_cert_store(to, SSL_CTX_get_cert_store(from));
    is_good = is_good && SSL_CTX_set1_param(to, SSL_CTX_get0_param(from)) == 1;
    SSL_CTX_set_verify(to, SSL_CTX_get_verify_mode(from), nullptr);
    ERR_clear_error();
    return is_good;
  }

  std::string complaint(unsigned long code) const override { return complaint_of(code); }

  const std::vector<std::string>& notes() const override { return notes_; }

 private:
  Status use_key_pair(const TlsPlan& plan) {
    const auto pair = read_key_pair(plan);
    if (!pair) {
      return pair.error();
    }
    SSL_CTX* const context = context_.get();
    ERR_clear_error();
    bool is_used = SSL_CTX_use_certificate(context, pair->certificate.get()) == 1 &&
                   SSL_CTX_use_PrivateKey(context, pair->key.get()) == 1;
    for (const CertificatePtr& each : pair->chain) {
      is_used = is_used && SSL_CTX_add1_chain_cert(context, each.get()) == 1;
    }
    if (!is_used) {
      const char* const why = ERR_reason_error_string(ERR_peek_error());
      ERR_clear_error();
      return Error{ErrorClass::config,
                   "'" + plan.certificate.path +
                       "' cannot be used: " + (why != nullptr ? why : "unknown error"),
                   "OpenSSL refuses, for example, keys that are too short"};
    }
    if (X509_cmp_current_time(X509_get0_notAfter(pair->certificate.get())) < 0) {
      notes_.push_back("the certificate in '" + plan.certificate.path + "' has expired");
    }
    return {};
  }

  Status use_trust(const TlsPlan& plan) {
    SSL_CTX* const context = context_.get();
    if (plan.trusted.path.empty()) {
      if (!plan.is_server) {
        SSL_CTX_set_default_verify_paths(context);
      }
    } else {
      const auto trusted = read_certificates(plan.trusted, plan.trusted_password);
      if (!trusted) {
        return trusted.error();
      }
      X509_STORE* const store = SSL_CTX_get_cert_store(context);
      for (const CertificatePtr& each : *trusted) {
        X509_STORE_add_cert(store, each.get());
        if (plan.is_server) {
          SSL_CTX_add_client_CA(context, each.get());
        }
      }
    }
    // As in Java, a certificate that is trusted need not be one of a root.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
    const bool asks = plan.is_server ? !plan.trusted.path.empty() : !plan.trusts_all;
    SSL_CTX_set_verify(context,
                       asks ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
                       nullptr);
    ERR_clear_error();
    return {};
  }

  bool is_server_ = false;
  bool checks_host_ = false;
  SslContextPtr context_;
  std::vector<std::string> notes_;
};

}  // namespace
}  // namespace fl

extern "C" __attribute__((visibility("default"))) fl::Status fl_make_tls_context(
    const fl::TlsPlan& plan, std::shared_ptr<fl::TlsContext>& context) {
  auto made = std::make_shared<fl::OpensslContext>();
  if (fl::Status status = made->build(plan); !status) {
    return status;
  }
  context = std::move(made);
  return {};
}
