// An HTTP server for one page of text. It is in a library of its own, fl-page-server.so, that is
// loaded when one is asked for: an HTTP library costs more time to load than a whole tool takes to
// start.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/error.h"

namespace fl {

class PageServer {
 public:
  struct Settings {
    std::string host;        ///< a name or address; empty: 127.0.0.1
    std::uint16_t port = 0;  ///< 0: the system chooses
    std::string path;        ///< "/metrics"; every other one is answered with 404
    std::string content_type;
    /// Makes the page. Called by the server's thread, one request after the other.
    std::function<std::string()> page;
  };

  virtual ~PageServer() = default;
  /// "127.0.0.1:9100", "[::1]:9100": what it listens on.
  virtual const std::string& address() const = 0;
  /// Only this host can reach it.
  virtual bool is_loopback() const = 0;
};

/// The symbol in the library. Sets `server` or returns what went wrong. The server runs until it is
/// destroyed, in a thread of its own that gets no signals.
using StartPageServer = Status(const PageServer::Settings& settings,
                               std::unique_ptr<PageServer>& server);
inline constexpr char kPageServerLibrary[] = "fl-page-server.so";
inline constexpr char kPageServerSymbol[] = "fl_start_page_server";

}  // namespace fl
