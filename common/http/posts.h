// HTTP requests (POST, or GET) inside another loop, without blocking: one request at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"

namespace fl {

class PollSet;

/// The outcome of a request: an answer, or why there is none.
struct PostOutcome {
  long status = 0;   ///< 0: no answer
  std::string text;  ///< the beginning of its body, control characters as blanks; or the reason
  std::int64_t retry_after_ms = 0;
  /// Without an answer: it does not pass by itself (a certificate, for example).
  bool needs_person = false;
  /// What WWW-Authenticate offers.
  bool wants_negotiate = false;
  bool wants_basic = false;
};

/// Keeps its connection from one request to the next. Redirects are not followed, proxies not used;
/// of an answer at most kMaxAnswer bytes are read. https verifies chain and host name, by TLS 1.2
/// or later. Follows the waiting contract of components.
class HttpPosts {
 public:
  static constexpr std::size_t kMaxAnswer = 1 << 20;

  /// Certificates and rules of https, from a caller that knows OpenSSL.
  struct Security {
    std::function<bool(void* ssl_context)> equip;              ///< called for each connection
    std::function<std::string(unsigned long code)> complaint;  ///< of the server; empty: none
    bool trusts_all = false;                                   ///< any server is accepted
  };

  struct Settings {
    std::string url;
    std::vector<std::string> headers;  ///< "Name: value"
    std::int64_t connect_timeout_ms = 5'000;
    std::int64_t request_timeout_ms = 5'000;  ///< without the time for connecting
    std::optional<Security> security = {};    ///< of https; none: libcurl's own
    bool is_get = false;                      ///< GET, without bodies
    std::size_t max_text = 200;               ///< of PostOutcome::text
    bool cookies = false;                     ///< keep the server's cookies in memory
  };

  /// Whether this libcurl can be equipped for https.
  static bool has_openssl();

  /// Class usage: not an http or https URL, of which `expected` then gives the user an example, or
  /// one with a password in it.
  static Status check_url(const std::string& url, const std::string& expected);
  /// "http://host:port/path", for people.
  static std::string shown(const std::string& url);
  /// Its host, in lower case; an IPv6 address in brackets.
  static std::string host_of(const std::string& url);

  explicit HttpPosts(Settings settings);
  ~HttpPosts();
  HttpPosts(const HttpPosts&) = delete;
  HttpPosts& operator=(const HttpPosts&) = delete;

  /// Of the requests that follow, the header Authorization; empty: none. Not while is_busy().
  void authorize(const std::string& value);
  /// Whether the server has given a cookie of this name that it has not taken back.
  bool has_cookie(std::string_view name) const;

  /// Begins a request. `body` stays where it is until the outcome. Only while !is_busy().
  void send(std::string_view body);
  /// The same to another URL of the same server.
  void send_to(const std::string& url, std::string_view body);
  bool is_busy() const;
  void watch(PollSet& set);
  std::optional<PostOutcome> handle(const PollSet& set);
  std::int64_t deadline_ms() const;
  /// Forgets the request that is in flight, and its connection.
  void stop();
  /// Connections that were made.
  std::uint64_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fl
