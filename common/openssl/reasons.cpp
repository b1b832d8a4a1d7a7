#include "common/openssl/reasons.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <string_view>

namespace fl {
namespace {

// What the peer complains about, from the number of its alert.
std::string alert_text(int number) {
  switch (number) {
    case SSL3_AD_BAD_CERTIFICATE:
    case SSL3_AD_UNSUPPORTED_CERTIFICATE:
    case SSL3_AD_CERTIFICATE_UNKNOWN:
      return "the peer does not accept our certificate";
    case SSL3_AD_CERTIFICATE_EXPIRED:
      return "the peer says that our certificate has expired";
    case SSL3_AD_CERTIFICATE_REVOKED:
      return "the peer says that our certificate is revoked";
    case TLS1_AD_UNKNOWN_CA:
      return "the peer does not know the CA of our certificate";
    case TLS1_AD_ACCESS_DENIED:
      return "the peer denies access";
    case TLS1_AD_PROTOCOL_VERSION:
      return "the peer allows no TLS version of ours";
    case TLS13_AD_CERTIFICATE_REQUIRED:
      return "the peer wants a client certificate";
    case SSL3_AD_HANDSHAKE_FAILURE:
    case TLS1_AD_INSUFFICIENT_SECURITY:
      return "the peer accepts no cipher of ours, or wants a client certificate";
    default:
      return "the peer says: " + std::string(SSL_alert_desc_string_long(number));
  }
}

std::string verify_text(const SSL* ssl) {
  const long result = SSL_get_verify_result(ssl);
  const std::string_view whose = SSL_is_server(ssl) == 1 ? "client" : "server";
  return "the " + std::string(whose) +
         "'s certificate is refused: " + X509_verify_cert_error_string(result);
}

}  // namespace

std::string complaint_of(unsigned long code) {
  const bool is_alert =
      ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) > SSL_AD_REASON_OFFSET;
  return is_alert ? alert_text(ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET) : std::string();
}

std::string take_reason(const SSL* ssl, bool is_done) {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  const char* const text = ERR_reason_error_string(code);
  const std::string words = text != nullptr ? text : "unknown error";
  ERR_clear_error();
  if (code == 0 || ERR_GET_LIB(code) != ERR_LIB_SSL) {
    return code == 0 ? "the peer has closed the connection" : words;
  }
  if (const std::string complaint = complaint_of(code); !complaint.empty()) {
    return complaint;
  }
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return verify_text(ssl);
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "the client sent no certificate";
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return is_done ? "the peer has ended the connection without the close of TLS"
                     : "the peer has closed the connection";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_RECORD_LENGTH_MISMATCH:
      return is_done ? words : "what came is not TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
      return "the peer has no TLS version that is allowed here";
    case SSL_R_NO_SHARED_CIPHER:
      return "the peer has no cipher that is allowed here";
    default:
      return words;
  }
}

}  // namespace fl
