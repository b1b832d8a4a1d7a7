#include "tools/fl-source/tcp_listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace fl {
namespace {

constexpr int kBacklog = 128;

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
}

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
}

Error bind_error(const std::string& where, int number) {
  std::string what = "cannot listen on " + where;
  switch (number) {
    case EADDRINUSE:
      return {ErrorClass::unavailable, system_error(std::move(what), number).message,
              "another program has the port; --port 0 takes a free one"};
    case EADDRNOTAVAIL:
      return {ErrorClass::config, system_error(std::move(what), number).message,
              "this host has no such address"};
    case EACCES:
      return {ErrorClass::permission, system_error(std::move(what), number).message,
              "ports below 1024 are root's"};
    default:
      return system_error(ErrorClass::io, std::move(what), number);
  }
}

}  // namespace

Result<Listener> listen_on(const ListenAddress& where) {
  const std::string port = std::to_string(where.port);
  const std::string name = where.host + ":" + port;
  if (where.port > 65535) {
    return Error{ErrorClass::usage, "port " + port + " is not between 0 and 65535"};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(where.host.c_str(), port.c_str(), &hints, &found);
      code != 0 || found == nullptr) {
    const ErrorClass kind = code == EAI_AGAIN ? ErrorClass::unavailable : ErrorClass::config;
    return Error{kind, "cannot find the address of '" + where.host + "': " + gai_strerror(code)};
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, freeaddrinfo);
  const addrinfo* chosen = list.get();
  for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
    if (each->ai_family == AF_INET) {
      chosen = each;
      break;
    }
  }
  Listener listener;
  listener.fd.reset(
      ::socket(chosen->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  const int yes = 1;
  if (!listener.fd ||
      ::setsockopt(listener.fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(listener.fd.get(), chosen->ai_addr, chosen->ai_addrlen) != 0 ||
      ::listen(listener.fd.get(), kBacklog) != 0) {
    return bind_error(name, errno);
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return bind_error(name, errno);
  }
  listener.address = address_text(bound);
  listener.is_loopback = is_loopback(bound);
  return listener;
}

std::string peer_name(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return "unknown";
  }
  return address_text(address);
}

}  // namespace fl
