// A listening TCP socket.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// An address to listen on.
struct ListenAddress {
  std::string host;        ///< name or address; a name's IPv4 address is preferred, as in Java
  std::uint64_t port = 0;  ///< 0: the system takes a free one
};

struct Listener {
  UniqueFd fd;          ///< not blocking, close-on-exec
  std::string address;  ///< what it is bound to, "127.0.0.1:4444" or "[::1]:4444"
  bool is_loopback = true;
};

/// Binds and listens. Errors: config (unknown host, an address that is not ours), unavailable (the
/// port is taken), permission.
Result<Listener> listen_on(const ListenAddress& where);

/// "127.0.0.1:40000" of the other end of a connection; "unknown" if it is gone.
std::string peer_name(int fd);

}  // namespace fl
