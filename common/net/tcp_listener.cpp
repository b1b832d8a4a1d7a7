#include "common/net/tcp_listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>

#include "common/base/text.h"
#include "common/base/units.h"

namespace fl {
namespace {

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

/// "[::1]" is "::1".
std::string without_brackets(const std::string& host) {
  const bool has_them = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return has_them ? host.substr(1, host.size() - 2) : host;
}

/// A variable that holds a number; -1: it does not.
long number_in(const char* variable) {
  const char* const text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe)
  const Result<std::uint64_t> number = parse_count(text == nullptr ? "" : text);
  return number && *number <= INT_MAX ? static_cast<long>(*number) : -1;
}

bool listens_on(int fd, std::uint64_t port) {
  int listens = 0;
  socklen_t size = sizeof listens;
  sockaddr_storage bound{};
  socklen_t bound_size = sizeof bound;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bound_size) != 0) {
    return false;
  }
  const in_port_t its = bound.ss_family == AF_INET6
                            ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                            : reinterpret_cast<const sockaddr_in&>(bound).sin_port;
  return (bound.ss_family == AF_INET || bound.ss_family == AF_INET6) && ntohs(its) == port;
}

/// The socket that systemd passed for this port, if any. In `sh -c "fl-source ... | ..."` the
/// sockets are the shell's.
UniqueFd passed_socket(std::uint64_t port) {
  constexpr int kFirst = 3;
  constexpr long kMost = 1000;
  const long process = number_in("LISTEN_PID");
  const long count = std::min(number_in("LISTEN_FDS"), kMost);
  if (process != ::getpid() && process != ::getppid()) {
    return {};
  }
  for (int fd = kFirst; fd < kFirst + count; ++fd) {
    if (listens_on(fd, port)) {
      UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, kFirst));
      const int flags = copy ? ::fcntl(copy.get(), F_GETFL) : -1;
      if (flags >= 0 && ::fcntl(copy.get(), F_SETFL, flags | O_NONBLOCK) == 0) {
        ::close(fd);  // children do not need it
        return copy;
      }
    }
  }
  return {};
}

Status bind_to(const ListenAddress& where, Listener& listener) {
  const std::string port = std::to_string(where.port);
  const std::string name = where.host + ":" + port;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int code =
          getaddrinfo(without_brackets(where.host).c_str(), port.c_str(), &hints, &found);
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
  listener.fd.reset(
      ::socket(chosen->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  const int yes = 1;
  if (!listener.fd ||
      ::setsockopt(listener.fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(listener.fd.get(), chosen->ai_addr, chosen->ai_addrlen) != 0 ||
      ::listen(listener.fd.get(), SOMAXCONN) != 0) {
    return bind_error(name, errno);
  }
  return {};
}

}  // namespace

std::string host_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (address.ss_family != AF_INET6) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }
  return text;
}

std::string address_text(const sockaddr_storage& address) {
  const std::string host = host_text(address);
  const in_port_t port = address.ss_family == AF_INET6
                             ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                             : reinterpret_cast<const sockaddr_in&>(address).sin_port;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(ntohs(port));
}

Result<Listener> listen_on(const ListenAddress& where) {
  if (where.port > 65535) {
    return Error{ErrorClass::usage,
                 "port " + std::to_string(where.port) + " is not between 0 and 65535"};
  }
  Listener listener;
  listener.fd = passed_socket(where.port);
  if (!listener.fd) {
    if (Status status = bind_to(where, listener); !status) {
      return status.error();
    }
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(listener.fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return bind_error(where.host + ":" + std::to_string(where.port), errno);
  }
  listener.address = address_text(bound);
  listener.is_loopback = is_loopback(bound);
  return listener;
}

}  // namespace fl
