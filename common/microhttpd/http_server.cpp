#include "common/microhttpd/http_server.h"

#include <microhttpd.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/units.h"
#include "common/io/poll_set.h"
#include "common/microhttpd/secure_sockets.h"
#include "common/net/byte_stream.h"
#include "common/net/repeated_warning.h"
#include "common/net/slow_reader.h"

namespace fl {
namespace {

constexpr std::size_t kMaxHeaders = 100;
constexpr std::size_t kMaxParameters = 100;
/// A body that is refused is read to its end, so that its client sees the answer and the connection
/// can go on; unless there is more of it than this.
constexpr std::uint64_t kMostDiscarded = 4 << 20;
/// How long a connection stays that its client has closed for sending.
constexpr std::int64_t kEndedMs = 200;

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// Why a request with such a head is not to be trusted: what two programs may read differently.
std::optional<HttpAnswer> check(const HttpHead& head, std::string_view version) {
  std::size_t lengths = 0;
  std::size_t codings = 0;
  for (const auto& [name, value] : head.headers) {
    lengths += is_same(name, MHD_HTTP_HEADER_CONTENT_LENGTH) ? 1u : 0u;
    if (is_same(name, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
      ++codings;
      if (!is_same(value, "chunked")) {
        return HttpAnswer{501, "the only Transfer-Encoding is chunked"};
      }
    }
  }
  if (lengths + codings > 1) {
    return HttpAnswer{400, "more than one length of the body"};
  }
  if (codings > 0 && version != MHD_HTTP_VERSION_1_1) {
    return HttpAnswer{400, "Transfer-Encoding needs HTTP/1.1"};
  }
  if (head.headers.size() > kMaxHeaders || head.parameters.size() > kMaxParameters) {
    return HttpAnswer{431, "more than " + std::to_string(kMaxHeaders) + " headers or parameters"};
  }
  return std::nullopt;
}

class MicrohttpdHttpServer final : public HttpServer {
 public:
  MicrohttpdHttpServer(const Settings& settings, HttpUser& user, std::unique_ptr<TcpServer> tcp)
      : settings_(settings), user_(user), tcp_(std::move(tcp)) {
    if (!tcp_->is_plain()) {
      secure_ = std::make_unique<SecureSockets>(*tcp_);
    }
  }
  MicrohttpdHttpServer(const MicrohttpdHttpServer&) = delete;
  MicrohttpdHttpServer& operator=(const MicrohttpdHttpServer&) = delete;
  ~MicrohttpdHttpServer() override { stop_daemon(); }

  Status start() {
    if (secure_) {
      if (Status status = secure_->open(); !status) {
        return status;
      }
    }
    errno = 0;
    // One more than is accepted: a connection that ends counts until the library has seen it.
    daemon_ = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr,
        &on_request, this, MHD_OPTION_CONNECTION_LIMIT,
        static_cast<unsigned>(settings_.tcp.max_clients + 1), MHD_OPTION_CONNECTION_TIMEOUT, 0U,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, settings_.head_bytes, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, &on_connection, this, MHD_OPTION_NOTIFY_COMPLETED,
        &on_completed, this, MHD_OPTION_URI_LOG_CALLBACK, &on_request_line, this, MHD_OPTION_END);
    const MHD_DaemonInfo* const info =
        daemon_ == nullptr ? nullptr : MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == nullptr) {
      return system_error(ErrorClass::io, "cannot start the HTTP server", errno);
    }
    wait_fd_ = info->epoll_fd;
    return {};
  }

  const std::string& address() const override { return tcp_->address(); }
  bool is_loopback() const override { return tcp_->is_loopback(); }
  std::string name(std::uint64_t client) const override { return tcp_->name(client); }
  std::string host(std::uint64_t client) const override { return tcp_->host(client); }
  void set_tls(std::shared_ptr<TlsContext> tls) override { tcp_->set_tls(std::move(tls)); }

  void watch(PollSet& set) override {
    tcp_->watch(set, true, has_work());
    index_ = set.add(wait_fd_, POLLIN);
    secure_index_ = secure_ ? set.add(secure_->wait_fd(), POLLIN) : -1;
  }

  Status handle(const PollSet& set) override {
    bool may_run = set.revents(index_) != 0;
    if (tcp_->is_due(set)) {
      if (Status status = serve_due(); !status) {
        return status;
      }
      may_run = may_run || secure_;  // bytes may wait in a pair
    }
    if (secure_ && set.revents(secure_index_) != 0) {
      secure_->move_due();
      may_run = true;
    }
    if (may_run || has_work()) {
      run();
    }
    return {};
  }

  void reply(std::uint64_t id, HttpAnswer answer) override {
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second->part != Part::waits) {
      return;
    }
    found->second->answer = std::move(answer);
    wake(*found->second);
  }

  void resume(std::uint64_t id) override {
    const auto found = clients_.find(id);
    if (found != clients_.end() && found->second->part == Part::parked) {
      found->second->part = Part::body;
      begin_body_time(*found->second);
      wake(*found->second);
    }
  }

  void stop_listening() override {
    tcp_->stop_listening();
    is_stopping_ = true;
  }

  void finish(std::int64_t limit_ms) override {
    const std::int64_t end = monotonic_ms() + limit_ms;
    is_stopping_ = true;
    for (;;) {
      for (int i = 0; i == 0 || (has_work() && i < 100); ++i) {
        run();
      }
      bool is_done = std::none_of(clients_.begin(), clients_.end(), [](const auto& entry) {
        return entry.second->answer.has_value();
      });
      is_done = is_done && !(secure_ && secure_->has_unsent());
      const std::int64_t left = end - monotonic_ms();
      if (is_done || left <= 0) {
        break;
      }
      PollSet set;
      set.add(wait_fd_, POLLIN);
      if (secure_) {
        set.add(secure_->wait_fd(), POLLIN);
        set.add(tcp_->wait_fd(), POLLIN);
      }
      set.wake_at(end);
      set.wait();
      if (secure_ && !serve_due()) {
        break;
      }
    }
    stop_daemon();
    if (secure_) {
      secure_->move_due();
    }
  }

  std::size_t size() const override { return clients_.size(); }
  std::uint64_t accepted() const override { return tcp_->accepted(); }
  std::uint64_t late() const override { return late_.total(); }

 private:
  /// What the client is doing.
  enum class Part {
    head,     // nothing of a request is here, or not all of its head
    body,     // the head is here
    parked,   // the user takes no bytes; suspended
    waits,    // the user has no answer yet; suspended
    answers,  // the answer is being sent
    ended,    // it was late
  };

  struct Client {
    std::uint64_t id = 0;
    MHD_Connection* connection = nullptr;
    int fd = -1;
    Part part = Part::head;
    bool is_idle = false;  // between two requests
    bool is_suspended = false;
    bool discards = false;
    std::uint64_t discarded = 0;
    std::uint64_t arrived = 0;  // bytes of the body since the deadline was set
    std::uint64_t packed = 0;   // of TLS, until then
    std::optional<HttpAnswer> answer;
    SlowReader reader;  // of the answer
  };

  // The library has something to do that its descriptor does not show.
  bool has_work() const {
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    return has_resumed_ || (MHD_get_timeout(daemon_, &timeout) == MHD_YES && timeout == 0);
  }

  void run() {
    has_resumed_ = false;
    MHD_run(daemon_);
    if (secure_) {
      secure_->move_due();
    }
  }

  Status serve_due() {
    const auto events = tcp_->poll();
    if (!events) {
      return events.error();
    }
    // A copy: to add a connection, or to end one, may call tcp_.
    const std::vector<TcpServer::Event> due = **events;
    for (const TcpServer::Event& event : due) {
      switch (event.what) {
        case TcpServer::What::connected:
          connect(event.client);
          break;
        case TcpServer::What::readable:
        case TcpServer::What::writable:
          secure_->move(event.client);
          break;
        case TcpServer::What::late:
          take_late(event.client);
          break;
      }
    }
    return {};
  }

  void close(std::uint64_t id) {
    if (secure_) {
      secure_->release(id);
    } else {
      tcp_->close(id);
    }
  }

  void stop_daemon() {
    if (daemon_ != nullptr) {
      for (auto& [id, client] : clients_) {
        client->part = Part::ended;
        wake(*client);  // it must not stop with suspended ones
      }
      MHD_run(daemon_);
      MHD_stop_daemon(daemon_);
      daemon_ = nullptr;
    }
  }

  // ---------------------------------------------------------------- connections

  void connect(std::uint64_t id) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getpeername(tcp_->fd(id), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      tcp_->close(id);  // has gone already
      return;
    }
    UniqueFd fd = secure_ ? secure_->add(id) : tcp_->hand_over(id);
    if (!fd) {
      warn_of_pair(id);
      return;
    }
    auto client = std::make_unique<Client>();
    client->id = id;
    client->fd = fd.get();
    adding_ = client.get();
    clients_[id] = std::move(client);
    const MHD_Result added =
        MHD_add_connection(daemon_, fd.release(), reinterpret_cast<sockaddr*>(&address), size);
    adding_ = nullptr;
    const auto found = clients_.find(id);
    if (added != MHD_YES) {
      clients_.erase(id);
      close(id);
    } else if (found != clients_.end()) {
      set_deadline(*found->second, settings_.head_ms);
    }
  }

  static void on_connection(void* self, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode code) {
    auto* const server = static_cast<MicrohttpdHttpServer*>(self);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
      *context = server->adding_;
      if (server->adding_ != nullptr) {
        server->adding_->connection = connection;
      }
    } else if (*context != nullptr) {
      const std::uint64_t id = static_cast<Client*>(*context)->id;
      *context = nullptr;
      server->clients_.erase(id);
      server->close(id);
    }
  }

  static Client* client_of(MHD_Connection* connection) {
    const MHD_ConnectionInfo* const info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == nullptr ? nullptr : static_cast<Client*>(info->socket_context);
  }

  void set_deadline(const Client& client, std::int64_t ms) {
    tcp_->set_deadline(client.id, ms < 0 ? -1 : monotonic_ms() + ms);
  }

  void begin_body_time(Client& client) {
    client.arrived = 0;
    client.packed = secure_ ? tcp_->stream(client.id).packed() : 0;
    set_deadline(client, settings_.body_ms);
  }

  /// Since then. Through TLS, a record counts before the library gets anything of it.
  std::uint64_t arrived_of(const Client& client) const {
    return secure_ ? tcp_->stream(client.id).packed() - client.packed : client.arrived;
  }

  void suspend(Client& client) {
    set_deadline(client, -1);
    client.is_suspended = true;
    MHD_suspend_connection(client.connection);
  }

  void wake(Client& client) {
    if (client.is_suspended) {
      client.is_suspended = false;
      has_resumed_ = true;
      MHD_resume_connection(client.connection);
    }
  }

  void take_late(std::uint64_t id) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) {
      if (secure_) {
        secure_->end(id);
      }
      return;
    }
    Client& client = *found->second;
    const auto enough = kLeastBytesPerSecond * static_cast<std::uint64_t>(settings_.body_ms) / 1000;
    const std::uint64_t arrived = arrived_of(client);
    if (client.part == Part::body && arrived > 0 && arrived >= enough) {
      begin_body_time(client);
      return;
    }
    if (client.part == Part::answers) {
      const ByteStream stream = secure_ ? tcp_->stream(id) : ByteStream(client.fd);
      if (const std::int64_t more_ms = client.reader.more_ms(stream.acknowledged()); more_ms > 0) {
        set_deadline(client, more_ms);
        return;
      }
    }
    if (client.part != Part::head || !client.is_idle) {
      warn(client);
    }
    client.part = Part::ended;
    // The library has no call for it, but notices when its socket is at an end.
    ::shutdown(client.fd, SHUT_RDWR);
    wake(client);
  }

  void warn_of_pair(std::uint64_t id) {
    const int number = errno;
    if (const std::int64_t now = monotonic_ms(); without_pair_.happened(now)) {
      without_pair_.report(now, system_error("cannot serve " + name(id), number).message,
                           "connection");
    }
    tcp_->close(id);
  }

  void warn(const Client& client) {
    const std::int64_t now = monotonic_ms();
    if (!late_.happened(now)) {
      return;
    }
    const std::string text = name(client.id) +
                             (client.part == Part::head   ? " has not sent a request in time"
                              : client.part == Part::body ? " has not sent the rest of its request"
                                                          : " does not read its answer") +
                             "; the connection is closed";
    late_.report(now, text, "connection");
  }

  // ---------------------------------------------------------------- requests

  // Called when the first line of a request is here.
  static void* on_request_line(void* self, const char*, MHD_Connection* connection) {
    Client* const client = client_of(connection);
    auto* const server = static_cast<MicrohttpdHttpServer*>(self);
    if (client != nullptr && client->part == Part::head && client->is_idle) {
      client->is_idle = false;
      server->set_deadline(*client, server->settings_.head_ms);
    }
    return nullptr;
  }

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char* version, const char* data,
                               std::size_t* size, void**) {
    Client* const client = client_of(connection);
    if (client == nullptr || client->part == Part::ended) {
      return MHD_NO;
    }
    auto& server = *static_cast<MicrohttpdHttpServer*>(self);
    if (client->part == Part::head) {
      return server.take_head(*client, url, method, version);
    }
    if (*size > 0) {
      return server.take_body(*client, data, *size);
    }
    return server.take_whole(*client);
  }

  static MHD_Result add_header(void* to, MHD_ValueKind, const char* name, const char* value) {
    static_cast<HttpHead*>(to)->headers.emplace_back(name, value == nullptr ? "" : value);
    return MHD_YES;
  }

  static MHD_Result add_parameter(void* to, MHD_ValueKind, const char* name, std::size_t name_size,
                                  const char* value, std::size_t value_size) {
    if (name_size + value_size > 0) {  // not what is between two &
      static_cast<HttpHead*>(to)->parameters.emplace_back(
          std::string(name == nullptr ? "" : name, name_size),
          std::string(value == nullptr ? "" : value, value_size));
    }
    return MHD_YES;
  }

  MHD_Result take_head(Client& client, const char* url, const char* method, const char* version) {
    HttpHead head;
    head.method = method;
    head.path = url;
    MHD_get_connection_values(client.connection, MHD_HEADER_KIND, &add_header, &head);
    MHD_get_connection_values_n(client.connection, MHD_GET_ARGUMENT_KIND, &add_parameter, &head);
    bool expects = false;
    if (const auto length = head.header(MHD_HTTP_HEADER_CONTENT_LENGTH)) {
      const Result<std::uint64_t> number = parse_count(*length);
      head.length = number ? *number : UINT64_MAX;
      head.has_body = *head.length > 0;
    }
    if (const auto coding = head.header(MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
      head.has_body = true;
    }
    if (const auto expect = head.header(MHD_HTTP_HEADER_EXPECT)) {
      expects = is_same(*expect, "100-continue");
    }
    client.part = Part::body;
    client.discards = false;
    client.discarded = 0;
    const std::optional<HttpAnswer> refused = check(head, version);
    client.answer = refused ? refused : user_.head(client.id, head);
    if (client.answer) {
      client.discards = true;
      const bool is_long = refused || expects || head.length.value_or(0) > kMostDiscarded;
      if (head.has_body && is_long) {
        return queue(client, true);
      }
    }
    begin_body_time(client);
    if (!head.has_body) {
      set_deadline(client, -1);
    }
    return MHD_YES;
  }

  MHD_Result take_body(Client& client, const char* data, std::size_t& size) {
    if (!client.discards && !user_.can_take(client.id)) {
      client.part = Part::parked;
      suspend(client);
      return MHD_YES;
    }
    client.arrived += size;
    if (client.discards) {
      client.discarded += size;
      if (client.discarded > kMostDiscarded) {
        return MHD_NO;  // the library cannot answer before the end
      }
    } else if ((client.answer = user_.body(client.id, {data, size}))) {
      client.discards = true;
    }
    size = 0;
    return MHD_YES;
  }

  MHD_Result take_whole(Client& client) {
    if (!client.answer && client.part == Part::body) {
      client.answer = user_.whole(client.id);
    }
    if (!client.answer) {
      client.part = Part::waits;
      suspend(client);
      return MHD_YES;
    }
    return queue(client, false);
  }

  MHD_Result queue(Client& client, bool closes) {
    client.part = Part::answers;
    client.reader.reset();
    set_deadline(client, SlowReader::kFirstMs);
    HttpAnswer& answer = *client.answer;
    if (!answer.text.empty()) {
      answer.text += '\n';
    }
    MHD_Response* const response = MHD_create_response_from_buffer(
        answer.text.size(), answer.text.data(), MHD_RESPMEM_MUST_COPY);
    if (response == nullptr) {
      return MHD_NO;
    }
    if (!answer.text.empty()) {
      MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
    }
    for (const auto& [name, value] : answer.headers) {
      MHD_add_response_header(response, name.c_str(), value.c_str());
    }
    if (is_stopping_ || closes) {
      MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    const MHD_Result result = MHD_queue_response(client.connection, answer.status, response);
    MHD_destroy_response(response);
    return result;
  }

  // Called after an answer, and for a request that ends without one.
  static void on_completed(void* self, MHD_Connection* connection, void**,
                           MHD_RequestTerminationCode code) {
    Client* const client = client_of(connection);
    if (client == nullptr) {
      return;
    }
    auto& server = *static_cast<MicrohttpdHttpServer*>(self);
    const bool is_gone = code != MHD_REQUEST_TERMINATED_COMPLETED_OK || client->part == Part::ended;
    server.user_.over(client->id, is_gone);
    client->answer.reset();
    if (client->part != Part::ended) {
      client->part = Part::head;
      client->is_idle = true;
      // The library learns of an end that came with the request only when it reads again.
      char byte = 0;
      const bool is_at_end = ::recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
      server.set_deadline(*client, is_at_end ? kEndedMs : server.settings_.idle_ms);
    }
  }

  const Settings settings_;
  HttpUser& user_;
  std::unique_ptr<TcpServer> tcp_;
  std::unique_ptr<SecureSockets> secure_;  // with TLS
  MHD_Daemon* daemon_ = nullptr;
  int wait_fd_ = -1;
  int index_ = -1;
  int secure_index_ = -1;
  bool has_resumed_ = false;  // the library does not report it
  bool is_stopping_ = false;
  std::unordered_map<std::uint64_t, std::unique_ptr<Client>> clients_;
  Client* adding_ = nullptr;
  RepeatedWarning late_;
  RepeatedWarning without_pair_;
};

}  // namespace

std::optional<std::string_view> HttpHead::header(std::string_view name) const {
  for (const auto& [each, value] : headers) {
    if (is_same(each, name)) {
      return value;
    }
  }
  return std::nullopt;
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(Settings settings, HttpUser& user) {
  auto tcp = TcpServer::listen(settings.tcp);
  if (!tcp) {
    return tcp.error();
  }
  auto server = std::make_unique<MicrohttpdHttpServer>(settings, user, std::move(*tcp));
  if (Status status = server->start(); !status) {
    return status.error();
  }
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace fl
