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

namespace fl {

/// `length` bytes of `fd` from `offset`, read with pread.
struct HttpBody {
  int fd = -1;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;                   ///< sent as it is; http or https
  std::vector<std::string> headers;  ///< "Name: value"; Expect is never sent
  const HttpBody* body = nullptr;    ///< sent with Content-Length; null: no body
  std::size_t max_reply = 1 << 20;   ///< a longer body is cut (HttpReply::cut)
  bool negotiate = false;            ///< SPNEGO with the process's Kerberos credentials
  bool fresh_connection = false;     ///< never repeat the request on another connection
};

struct HttpReply {
  long status = 0;
  std::string location;  ///< the Location header as it was sent
  std::string body;
  bool cut = false;
  std::string peer_ip;
};

/// No usable answer came.
struct HttpFailure {
  enum class Kind {
    connect,    ///< name, route, refused, time-out of the connection: nothing was sent
    stalled,    ///< no progress for the stall time-out
    broken,     ///< the connection ended early
    tls,        ///< certificate or handshake
    cancelled,  ///< the cancel flag was set
    body,       ///< our own file could not be read or is too short
    login,      ///< no Kerberos credentials
    other,
  };
  Kind kind = Kind::other;
  std::string text;  ///< the reason, without the URL's query
  bool may_have_arrived = false;
  std::string peer_ip;
};

/// One connection pool, one thread. Redirects are never followed, proxies only by request,
/// decompression is off, the header of an answer is limited to 1 MiB.
class HttpClient {
 public:
  struct Settings {
    std::string ca_file;     ///< PEM; empty: the system's
    bool use_proxy = false;  ///< obey http_proxy and its like
    bool cookies = false;    ///< keep the servers' cookies in memory
    std::int64_t connect_timeout_ms = 20'000;
    std::int64_t stall_timeout_ms = 60'000;
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
