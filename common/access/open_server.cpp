#include "common/access/open_server.h"

#include <utility>

#include "common/access/open_tls.h"
#include "common/base/log.h"

namespace fl {
namespace {

Result<std::unique_ptr<TcpServer>> listen(ListenAddress where, std::size_t max_clients,
                                          const TlsOptions& tls, const AccessOptions& access) {
  if (max_clients == 0) {
    return Error{ErrorClass::config, "--max-connections 0 would accept no client", {}};
  }
  TcpServer::Settings settings{std::move(where), max_clients};
  auto context = open_tls(tls, TlsSide::server);
  if (!context) {
    return context.error();
  }
  settings.tls = std::move(*context);
  auto filter = open_access(access);
  if (!filter) {
    return filter.error();
  }
  settings.filter = std::move(*filter);
  settings.handshake_ms = tls.handshake_timeout.ms;
  return TcpServer::listen(std::move(settings));
}

}  // namespace

Status open_server(ListenAddress where, std::size_t max_clients, const TlsOptions& tls,
                   const AccessOptions& access, bool dry_run, std::unique_ptr<TcpServer>& server) {
  auto listening = listen(std::move(where), max_clients, tls, access);
  if (!listening) {
    return listening.error();
  }
  if (dry_run) {
    return {};
  }
  server = std::move(*listening);
  log(LogLevel::info, "listening on " + server->address());
  if (!server->is_loopback() && tls.truststore.empty()) {
    log(LogLevel::warning, "everybody who can reach " + server->address() +
                               " can send events: there is no authentication" +
                               (tls.use ? "" : " and no encryption"));
  }
  return {};
}

void reopen_server(TcpServer* server, const TlsOptions& tls) {
  if (auto context = reopen_tls(tls, TlsSide::server); context && server != nullptr) {
    server->set_tls(std::move(context));
  }
}

}  // namespace fl
