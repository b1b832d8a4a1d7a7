// A listening TCP socket.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// An address to listen on.
struct ListenAddress {
  std::string host;  ///< name or address, IPv6 with or without brackets; a name's IPv4 address is
                     ///< preferred, as in Java
  std::uint64_t port = 0;  ///< 0: the system takes a free one
};

struct Listener {
  UniqueFd fd;          ///< not blocking, close-on-exec
  std::string address;  ///< what it is bound to, "127.0.0.1:4444" or "[::1]:4444"
  bool is_loopback = true;
};

/// Binds and listens, unless systemd has passed a socket that listens on this port (LISTEN_FDS of
/// sd_listen_fds(3)), to us or to a shell that has started us: then it is this one, whatever
/// address it is bound to. Errors: config (unknown host, an address that is not ours), unavailable
/// (the port is taken), permission.
Result<Listener> listen_on(const ListenAddress& where);

/// "127.0.0.1:40000" or "[::1]:40000"; an IPv4 address that came as IPv6 (::ffff:127.0.0.1) as
/// IPv4.
std::string address_text(const sockaddr_storage& address);
/// The same without the port and brackets: "127.0.0.1", "::1".
std::string host_text(const sockaddr_storage& address);

}  // namespace fl
