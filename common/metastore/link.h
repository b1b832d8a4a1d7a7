// The connection to one metastore: plain TCP, or HTTP. Blocking, for a thread of its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/http/client.h"
#include "common/net/tcp_dialer.h"

namespace fl {

/// Where a metastore listens.
struct MetastoreAddress {
  HostPort tcp;     ///< thrift://host:port
  std::string url;  ///< http:// or https://, with its path; empty: TCP
  /// "thrift://host:port", or the URL.
  std::string text() const { return url.empty() ? "thrift://" + tcp.text() : url; }
};

/// Reads "thrift://host:port", "host:port" or "http://host:port[/path]" (https too), several of
/// them with commas; without a port 9083, without a path /metastore. Class usage.
Result<std::vector<MetastoreAddress>> parse_metastore_addresses(std::string_view text);

struct MetastoreLinkSettings {
  std::string user;                  ///< HTTP: x-actor-username
  std::int64_t timeout_ms = 30'000;  ///< for connecting, and again for the answer
  HttpTls tls = {};                  ///< of https
  /// True ends every wait; may be null, outlives the link.
  const std::atomic<bool>* cancel = nullptr;
};

/// One request at a time: send(), then read() until the answer is whole.
class MetastoreLink {
 public:
  virtual ~MetastoreLink() = default;
  /// A connection is there, and it has carried a request before.
  virtual bool is_used() const = 0;
  virtual bool is_connected() const = 0;
  virtual Status connect() = 0;
  virtual Status send(std::string_view request) = 0;
  /// Bytes of the answer, at least one; or 0: it is over, and failure() says why if it broke off.
  virtual std::size_t read(char* to, std::size_t size) = 0;
  /// Why read() had nothing; null: it ended.
  virtual const Error* failure() const = 0;
  virtual void disconnect() = 0;
  /// The user is sent with each request.
  virtual bool names_user() const = 0;
};

std::unique_ptr<MetastoreLink> make_metastore_link(const MetastoreAddress& address,
                                                   const MetastoreLinkSettings& settings);

}  // namespace fl
