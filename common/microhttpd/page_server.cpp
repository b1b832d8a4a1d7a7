// Connections, header sizes and waiting times are bounded; a request costs one page. Clients that
// connect and say nothing cannot keep others out: of more than kConnections, the one that asked
// longest ago is closed.
#include "common/io/page_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstring>
#include <list>
#include <string_view>
#include <utility>

#include "common/base/unique_fd.h"

namespace fl {
namespace {

constexpr unsigned kConnections = 16;
// Those that are being closed count until the server's loop has seen it.
constexpr unsigned kAccepted = 2 * kConnections;
constexpr int kBacklog = 128;
constexpr unsigned kIdleSeconds = 10;
constexpr std::size_t kConnectionBytes = 16 << 10;

Error trouble(ErrorClass kind, const std::string& where, const char* why) {
  return {kind, "cannot listen on " + where + ": " + why, {}};
}

struct Addresses {
  addrinfo* first = nullptr;
  Addresses() = default;
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;
  ~Addresses() {
    if (first != nullptr) {
      freeaddrinfo(first);
    }
  }
};

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) != 0;
  }
  const auto& in = reinterpret_cast<const sockaddr_in&>(address);
  return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
}

std::string address_text(const sockaddr_storage& address, socklen_t size) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host, sizeof host, port,
                  sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  const std::string_view name = host;
  return (name.find(':') == std::string_view::npos ? std::string(name)
                                                   : "[" + std::string(name) + "]") +
         ":" + port;
}

class MicrohttpdServer final : public PageServer {
 public:
  explicit MicrohttpdServer(Settings settings) : settings_(std::move(settings)) {}
  MicrohttpdServer(const MicrohttpdServer&) = delete;
  MicrohttpdServer& operator=(const MicrohttpdServer&) = delete;
  ~MicrohttpdServer() override {
    if (daemon_ != nullptr) {
      MHD_stop_daemon(daemon_);
    }
  }

  const std::string& address() const override { return address_; }
  bool is_loopback() const override { return is_loopback_; }

  Status start() {
    if (Status status = listen(); !status) {
      return status;
    }
    // The thread inherits the mask: signals belong to the stage's own loop.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = 0;
    daemon_ = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, nullptr, nullptr, &on_request, this,
        MHD_OPTION_LISTEN_SOCKET, socket_.get(), MHD_OPTION_CONNECTION_LIMIT, kAccepted,
        MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        kConnectionBytes, MHD_OPTION_NOTIFY_CONNECTION, &on_connection, this, MHD_OPTION_END);
    const int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (daemon_ == nullptr) {
      const char* const why = number == 0 ? "no room for it" : std::strerror(number);
      return Error{ErrorClass::unavailable,
                   "cannot start a thread that serves " + address_ + ": " + why,
                   "raise the limit of processes (ulimit -u), of memory (ulimit -v) or of the "
                   "service; --metrics FILE needs no thread"};
    }
    (void)socket_.release();  // the daemon closes it
    return {};
  }

 private:
  Status listen() {
    const std::string host = settings_.host.empty() ? "127.0.0.1" : settings_.host;
    const std::string port = std::to_string(settings_.port);
    const std::string where = "'" + host + "', port " + port;
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    Addresses found;
    if (const int number = getaddrinfo(host.c_str(), port.c_str(), &hints, &found.first);
        number != 0) {
      return trouble(ErrorClass::config, where, gai_strerror(number));
    }
    int number = 0;
    for (const addrinfo* each = found.first; each != nullptr; each = each->ai_next) {
      UniqueFd socket(::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      const int on = 1;
      if (socket && setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
          ::bind(socket.get(), each->ai_addr, each->ai_addrlen) == 0 &&
          ::listen(socket.get(), kBacklog) == 0) {
        socket_ = std::move(socket);
        return learn_address();
      }
      number = errno;
    }
    const ErrorClass kind = number == EACCES ? ErrorClass::permission : ErrorClass::create;
    return trouble(kind, where, std::strerror(number));
  }

  Status learn_address() {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      return trouble(ErrorClass::io, "a socket", std::strerror(errno));
    }
    address_ = address_text(address, size);
    is_loopback_ = fl::is_loopback(address);
    return {};
  }

  static void on_connection(void* self, MHD_Connection* connection, void**,
                            MHD_ConnectionNotificationCode code) {
    auto* const server = static_cast<MicrohttpdServer*>(self);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      server->connections_.push_back(connection);
      if (server->connections_.size() > kConnections) {
        server->close_oldest();
      }
    } else {
      server->connections_.remove(connection);
    }
  }

  // The library has no call for it, but notices when its socket is at an end.
  void close_oldest() {
    const MHD_ConnectionInfo* const info =
        MHD_get_connection_info(connections_.front(), MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != nullptr) {
      ::shutdown(info->connect_fd, SHUT_RDWR);
    }
    connections_.pop_front();
  }

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char*, const char*, std::size_t*,
                               void** state) {
    return static_cast<MicrohttpdServer*>(self)->answer(connection, url, method, state);
  }

  MHD_Result answer(MHD_Connection* connection, std::string_view url, std::string_view method,
                    void** state) {
    if (method != "GET" && method != "HEAD") {
      return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", "only GET\n");
    }
    // The first call is for the headers alone; the answer to what has no body comes in the second.
    if (*state == nullptr) {
      *state = this;
      connections_.remove(connection);
      connections_.push_back(connection);
      return MHD_YES;
    }
    if (url != settings_.path) {
      return reply(connection, MHD_HTTP_NOT_FOUND, "text/plain",
                   "only " + settings_.path + " is here\n");
    }
    return reply(connection, MHD_HTTP_OK, settings_.content_type, settings_.page());
  }

  static MHD_Result reply(MHD_Connection* connection, unsigned status, const std::string& type,
                          std::string text) {
    MHD_Response* const response =
        MHD_create_response_from_buffer(text.size(), text.data(), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) {
      return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type.c_str());
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
      MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    const MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
  }

  const Settings settings_;
  UniqueFd socket_;
  MHD_Daemon* daemon_ = nullptr;
  std::list<MHD_Connection*> connections_;  // of the server's thread; the last to ask is last
  std::string address_;
  bool is_loopback_ = false;
};

}  // namespace
}  // namespace fl

extern "C" __attribute__((visibility("default"))) fl::Status fl_start_page_server(
    const fl::PageServer::Settings& settings, std::unique_ptr<fl::PageServer>& server) {
  auto made = std::make_unique<fl::MicrohttpdServer>(settings);
  if (fl::Status status = made->start(); !status) {
    return status;
  }
  server = std::move(made);
  return {};
}
