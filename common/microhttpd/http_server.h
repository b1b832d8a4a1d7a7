// An HTTP server inside another loop, without threads. The only place besides the page server that
// knows the library behind it (libmicrohttpd).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/net/tcp_server.h"

namespace fl {

class PollSet;

/// The head of a request. Its views live until the call that hands it over returns.
struct HttpHead {
  std::string_view method;
  std::string_view path;  ///< decoded, without the query
  /// Parameters of the query, decoded, in their order.
  std::vector<std::pair<std::string, std::string>> parameters;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  bool has_body = false;
  std::optional<std::uint64_t> length;  ///< of the body, if the client gave it

  /// The value of the first header with this name (any case); nothing: there is none.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct HttpAnswer {
  unsigned status = 200;
  std::string text = {};  ///< for people; sent as text/plain
  std::vector<std::pair<std::string, std::string>> headers = {};
};

/// What the server calls. None of these may call the server, except for reply() and resume() of
/// another client.
class HttpUser {
 public:
  virtual ~HttpUser() = default;
  /// A request begins. An answer refuses it: its body is not taken any more.
  virtual std::optional<HttpAnswer> head(std::uint64_t client, const HttpHead& head) = 0;
  /// Not now: the same bytes come again after resume(). Asked before body().
  virtual bool can_take(std::uint64_t client) = 0;
  /// A piece of the body. An answer refuses the request.
  virtual std::optional<HttpAnswer> body(std::uint64_t client, std::string_view bytes) = 0;
  /// The request is whole. Without an answer, it waits for reply().
  virtual std::optional<HttpAnswer> whole(std::uint64_t client) = 0;
  /// The request is over, answered or not. The client may send another one, unless `is_gone`.
  virtual void over(std::uint64_t client, bool is_gone) = 0;
};

/// Joins the TcpServer, which accepts, counts and times clients, and the library, which reads and
/// writes them. Both are epoll descriptors inside the loop of the user: watch() before the poll,
/// handle() after it. With TLS, SecureSockets stands between them.
///
/// The library forgets its own time-out at each byte. Here each part of a request has one for all
/// of its bytes: the head from the first of them (and from the connection on), a body as long as it
/// comes faster than kLeastBytesPerSecond, the reading of an answer. Time in which the user does
/// not take bytes, or does not answer, does not count.
class HttpServer {
 public:
  struct Settings {
    TcpServer::Settings tcp;
    std::int64_t head_ms = 10'000;
    std::int64_t body_ms = 20'000;
    std::int64_t idle_ms = 60'000;  ///< between requests
    std::size_t head_bytes = 64 << 10;
  };
  static constexpr std::uint64_t kLeastBytesPerSecond = 500;

  /// Listens. `user` outlives the server. Errors: as TcpServer::listen().
  static Result<std::unique_ptr<HttpServer>> listen(Settings settings, HttpUser& user);
  virtual ~HttpServer() = default;

  virtual const std::string& address() const = 0;
  virtual bool is_loopback() const = 0;
  virtual std::string name(std::uint64_t client) const = 0;
  /// The address of a client without its port.
  virtual std::string host(std::uint64_t client) const = 0;
  /// For clients that come from now on. Only where Settings::tcp has TLS.
  virtual void set_tls(std::shared_ptr<TlsContext> tls) = 0;

  virtual void watch(PollSet& set) = 0;
  virtual Status handle(const PollSet& set) = 0;

  /// Answers a request for which whole() had no answer. Nothing happens if the client is gone.
  virtual void reply(std::uint64_t client, HttpAnswer answer) = 0;
  /// can_take() may be true now.
  virtual void resume(std::uint64_t client) = 0;

  /// Gives the address back. Connections stay, each for the request it has begun.
  virtual void stop_listening() = 0;
  /// Writes what was answered, at most for so long; then closes every connection. All that waited
  /// for reply() must have got it.
  virtual void finish(std::int64_t limit_ms) = 0;

  virtual std::size_t size() const = 0;
  virtual std::uint64_t accepted() const = 0;
  /// Connections that were closed because they were too slow.
  virtual std::uint64_t late() const = 0;
};

}  // namespace fl
