// The TCP server of a source, from the options that say who may connect and how that is secured.
#pragma once

#include <cstddef>
#include <memory>

#include "common/access/access_options.h"
#include "common/access/tls_options.h"
#include "common/base/error.h"
#include "common/net/tcp_server.h"

namespace fl {

/// Listens, logs where, and warns where anybody who can reach the server can send, or read what is
/// sent. `dry_run`: only tries it, and leaves `server` as it is. Errors: class config where an
/// option is wrong (--max-connections 0, too), and those of TcpServer::listen().
Status open_server(ListenAddress where, std::size_t max_clients, const TlsOptions& tls,
                   const AccessOptions& access, bool dry_run, std::unique_ptr<TcpServer>& server);

/// Reads the certificates again (HUP). Those from before stay in use where that fails, which is
/// logged, and in connections that exist. `server`: may be null.
void reopen_server(TcpServer* server, const TlsOptions& tls);

}  // namespace fl
