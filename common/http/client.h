// HTTP requests, blocking. The only place that knows the library behind it (libcurl).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/error.h"

namespace fl {

/// `length` bytes of `fd` from `offset`, read with pread.
struct HttpBody {
  int fd = -1;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// Certificates for https, all in PEM. The server's chain and host name are always verified, by
/// TLS 1.2 or later.
struct HttpTls {
  std::string ca_file = {};      ///< whom we trust; empty: the system's
  std::string certificate = {};  ///< our own, with its chain; empty: none
  std::string key = {};          ///< its key, without a passphrase; empty: in `certificate`
};

/// Connections to `host`:`port` go to `to_host`:`to_port` instead. Names in the request, in TLS and
/// in Kerberos stay.
struct HttpAddressMap {
  std::string host;
  std::string port;
  std::string to_host;
  std::string to_port;
};
/// Reads "HOST:PORT=HOST:PORT,..." ([...] around an IPv6 address); class usage.
Result<std::vector<HttpAddressMap>> parse_address_map(std::string_view text);

struct HttpRequest {
  std::string method = "GET";
  std::string url;                   ///< sent as it is; http or https
  std::vector<std::string> headers;  ///< "Name: value"; Expect is never sent
  const HttpBody* body = nullptr;    ///< sent with Content-Length; null: no body
  std::size_t max_reply = 1 << 20;   ///< a longer body is cut (HttpReply::cut)
  bool negotiate = false;            ///< SPNEGO with the process's Kerberos credentials
  bool fresh_connection = false;     ///< never repeat the request on another connection
  /// No progress for so long before the first byte of an answer (100 Continue counts): `stalled`.
  /// 0: stall_timeout_ms.
  std::int64_t first_answer_ms = 0;
  /// Time for an answer from its first line on; 0: stall_timeout_ms.
  std::int64_t answer_ms = 0;
};

struct HttpReply {
  long status = 0;
  std::string location;  ///< the Location header as it was sent
  std::string body;
  bool cut = false;
  bool wants_negotiate = false;  ///< WWW-Authenticate offers SPNEGO
  std::string peer_ip;
};

/// No usable answer came.
struct HttpFailure {
  enum class Kind {
    connect,       ///< route, refused, time-out of the connection: nothing was sent
    stalled,       ///< no progress for the stall time-out
    broken,        ///< the connection ended early
    tls,           ///< certificate or handshake
    plain,         ///< https, but the server's port speaks no TLS
    encrypted,     ///< http, but the server answers otherwise: TLS, perhaps
    unknown_host,  ///< the name has no address: nothing was sent
    cancelled,     ///< the cancel flag was set
    body,          ///< our own file could not be read or is too short
    login,         ///< no Kerberos credentials
    setup,         ///< a certificate or key file cannot be used
    other,
  };
  Kind kind = Kind::other;
  std::string text;  ///< the reason, without the URL's query
  bool may_have_arrived = false;
  std::string peer_ip;
};

/// One connection pool, one thread. Redirects are never followed, proxies only by request,
/// decompression is off, the header of an answer is limited to 256 KiB, and no answer takes longer
/// than its time limits however slowly it drips.
class HttpClient {
 public:
  struct Settings {
    HttpTls tls = {};
    std::vector<HttpAddressMap> address_map = {};
    bool use_proxy = false;  ///< obey http_proxy and its like
    bool cookies = false;    ///< keep the servers' cookies in memory
    std::int64_t connect_timeout_ms = 20'000;
    std::int64_t stall_timeout_ms = 60'000;     ///< no byte in either direction for so long
    const std::atomic<bool>* cancel = nullptr;  ///< may be null; outlives the client
  };

  explicit HttpClient(Settings settings);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any status is a reply.
  std::variant<HttpReply, HttpFailure> send(const HttpRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// `text` with each byte outside [A-Za-z0-9._~-] as %XX, for a query value or a path component.
std::string url_encode(std::string_view text);

}  // namespace fl
