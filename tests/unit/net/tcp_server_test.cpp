#include "common/net/tcp_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/log.h"

namespace fl {
namespace {

using What = TcpServer::What;
using Events = std::vector<std::pair<What, std::uint64_t>>;

bool is_readable(int fd, int limit_ms) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, limit_ms) > 0;
}

class Server : public testing::Test {
 protected:
  void listen(std::size_t max_clients = 1000) {
    auto server = TcpServer::listen({{"127.0.0.1", 0}, max_clients});
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(*server);
  }
  UniqueFd connect() {
    const std::string& address = server_->address();
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    const timeval limit{10, 0};  // a server that never ends it fails the test
    EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
  }
  /// What is due, once something is; nothing within 10 s fails the test.
  Events due() {
    EXPECT_TRUE(is_readable(server_->wait_fd(), 10'000));
    return due_now();
  }
  Events due_now() {
    Events found;
    const auto events = server_->poll();
    EXPECT_TRUE(events.ok());
    for (const TcpServer::Event& event : **events) {
      found.emplace_back(event.what, event.client);
    }
    return found;
  }
  bool is_silent() { return !is_readable(server_->wait_fd(), 0) && due_now().empty(); }

  std::unique_ptr<TcpServer> server_;
};

TEST_F(Server, TellsWhoCameAndWhoCanBeReadOrWritten) {
  listen();
  EXPECT_TRUE(is_silent());
  const UniqueFd client = connect();
  EXPECT_EQ(due(), (Events{{What::connected, 1}}));
  EXPECT_EQ(server_->name(1).substr(0, 10), "127.0.0.1:");
  EXPECT_TRUE(is_silent());
  ASSERT_EQ(::send(client.get(), "x", 1, 0), 1);
  EXPECT_EQ(due(), (Events{{What::readable, 1}}));
  EXPECT_EQ(due(), (Events{{What::readable, 1}}));  // until it is read
  char byte = 0;
  EXPECT_EQ(::recv(server_->fd(1), &byte, 1, 0), 1);
  EXPECT_TRUE(is_silent());
  server_->want_output(1, true);
  EXPECT_EQ(due(), (Events{{What::writable, 1}}));
  server_->want_output(1, false);
  EXPECT_TRUE(is_silent());
  server_->close(1);
  EXPECT_EQ(server_->fd(1), -1);
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);
}

TEST_F(Server, WhoIsNotWantedWakesNobodyEvenWhenHeHangsUp) {
  listen();
  UniqueFd client = connect();
  due();
  server_->want_input(1, false);
  ASSERT_EQ(::send(client.get(), "x", 1, 0), 1);
  EXPECT_TRUE(is_silent());
  const linger at_once{1, 0};
  ASSERT_EQ(::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  client.reset();  // a reset: the socket is in error
  EXPECT_TRUE(is_silent());
  EXPECT_NE(server_->name(1), "");
  server_->want_input(1, true);
  EXPECT_EQ(due(), (Events{{What::readable, 1}}));
}

TEST_F(Server, TakesNoInputButStillWrites) {
  listen();
  const UniqueFd client = connect();
  due();
  ASSERT_EQ(::send(client.get(), "x", 1, 0), 1);
  server_->take_input(false);
  const UniqueFd other = connect();
  EXPECT_TRUE(is_silent());
  server_->want_output(1, true);
  EXPECT_EQ(due(), (Events{{What::writable, 1}}));
  server_->want_output(1, false);
  server_->take_input(true);
  Events events = due();
  std::sort(events.begin(), events.end());
  EXPECT_EQ(events, (Events{{What::connected, 2}, {What::readable, 1}}));
}

TEST_F(Server, DeadlinesComeOnceAndInOrder) {
  listen();
  const UniqueFd first = connect();
  const UniqueFd second = connect();
  for (std::size_t seen = 0; seen < 2;) {
    seen += due().size();
  }
  EXPECT_EQ(server_->deadline_ms(), -1);
  const std::int64_t now = monotonic_ms();
  server_->set_deadline(1, now + 3'600'000);
  server_->set_deadline(2, now + 7'200'000);
  EXPECT_EQ(server_->deadline_ms(), now + 3'600'000);
  EXPECT_TRUE(is_silent());
  server_->set_deadline(1, -1);
  EXPECT_FALSE(server_->has_deadline(1));
  EXPECT_EQ(server_->deadline_ms(), now + 7'200'000);
  server_->set_deadline(2, now - 1);
  server_->set_deadline(1, now - 2);
  EXPECT_EQ(due_now(), (Events{{What::late, 1}, {What::late, 2}}));
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(server_->deadline_ms(), -1);
}

TEST_F(Server, MoreThanTheLimitWaitInSilence) {
  listen(2);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(connect());
  }
  for (std::size_t seen = 0; seen < 2;) {
    seen += due().size();
  }
  const std::uint64_t warnings = log_counts().warnings;
  EXPECT_TRUE(due().empty());  // it sees that somebody waits
  EXPECT_EQ(log_counts().warnings, warnings + 1);
  EXPECT_TRUE(is_silent());
  EXPECT_GT(server_->deadline_ms(), monotonic_ms());  // reports again if it lasts
  for (std::uint64_t next = 3; next <= 5; ++next) {
    server_->close(next - 2);
    EXPECT_EQ(due(), (Events{{What::connected, next}}));
    due_now();  // those who wait are seen
  }
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(log_counts().warnings, warnings + 1);  // not due again
  EXPECT_EQ(server_->size(), 2u);
}

TEST_F(Server, WithoutDescriptorsItWaitsInSilence) {
  listen();
  const UniqueFd client = connect();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::uint64_t warnings = log_counts().warnings;
  EXPECT_TRUE(due().empty());
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(server_->accept_failures(), 1u);
  EXPECT_EQ(log_counts().warnings, warnings + 1);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  const std::int64_t retry = server_->deadline_ms();
  EXPECT_GT(retry, 0);
  EXPECT_LE(retry, monotonic_ms() + 1000);
  Events events;
  while (events.empty()) {
    is_readable(server_->wait_fd(),
                static_cast<int>(std::max<std::int64_t>(0, retry - monotonic_ms())));
    events = due_now();
    ASSERT_LT(monotonic_ms(), retry + 10'000);
  }
  EXPECT_EQ(events, (Events{{What::connected, 1}}));
}

TEST_F(Server, WhoComesAfterTheStopIsRefusedAndTheOthersStay) {
  listen();
  const UniqueFd client = connect();
  due();
  server_->stop_listening();
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(server_->deadline_ms(), -1);
  ASSERT_EQ(::send(client.get(), "x", 1, 0), 1);
  EXPECT_EQ(due(), (Events{{What::readable, 1}}));
}

TEST_F(Server, WhoIsHandedOverIsCountedAndTimedButNotWatched) {
  listen(1);
  const UniqueFd client = connect();
  EXPECT_EQ(due(), (Events{{What::connected, 1}}));
  const UniqueFd socket = server_->hand_over(1);
  ASSERT_TRUE(socket);
  EXPECT_FALSE(server_->hand_over(1));
  EXPECT_EQ(::send(client.get(), "x", 1, 0), 1);
  EXPECT_TRUE(is_readable(socket.get(), 10'000));
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(server_->size(), 1U);
  EXPECT_NE(server_->name(1), "");
  server_->set_deadline(1, monotonic_ms());
  EXPECT_EQ(due_now(), (Events{{What::late, 1}}));
  const UniqueFd second = connect();
  EXPECT_EQ(due_now(), Events());  // there is room for one
  server_->close(1);
  EXPECT_EQ(due(), (Events{{What::connected, 2}}));
}

TEST_F(Server, AddressesOfBothFamilies) {
  const auto v6 = TcpServer::listen({{"[::1]", 0}, 1});
  if (v6.ok()) {
    EXPECT_EQ((*v6)->address().substr(0, 6), "[::1]:");
    EXPECT_TRUE((*v6)->is_loopback());
  }
  const auto name = TcpServer::listen({{"localhost", 0}, 1});
  ASSERT_TRUE(name.ok());
  EXPECT_EQ((*name)->address().substr(0, 10), "127.0.0.1:");
  for (const char* const host : {"192.0.2.1", ""}) {
    const auto server = TcpServer::listen({{host, 0}, 1});
    ASSERT_FALSE(server.ok()) << host;
    EXPECT_EQ(server.error().kind, ErrorClass::config) << host;
  }
}

/// TLS of a test: each byte that the client sends is one step of the handshake.
///   i  it needs input    o  it needs room to send    f  it fails    d  it is done
class FakeSession final : public TlsSession {
 public:
  explicit FakeSession(int fd) : fd_(fd) {}
  Step handshake() override {
    if (needs_room_) {
      needs_room_ = false;  // it was writable
    }
    char step = 'i';
    if (::recv(fd_, &step, 1, MSG_DONTWAIT) != 1) {
      return Step::wants_input;
    }
    needs_room_ = step == 'o';
    if (step == 'f') {
      why_ = "a test says so";
    }
    return step == 'd'   ? Step::done
           : step == 'f' ? Step::failed
           : step == 'o' ? Step::wants_output
                         : Step::wants_input;
  }
  ssize_t read(char* to, std::size_t size) override { return ::recv(fd_, to, size, MSG_DONTWAIT); }
  ssize_t write(const char* from, std::size_t size) override {
    return ::send(fd_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  std::size_t unread() override { return 0; }
  std::uint64_t received() const override { return 0; }
  bool wants_output() const override { return needs_room_; }
  void finish() override {}
  const std::string& why() const override { return why_; }
  int number() const override { return why_.empty() ? 0 : EPROTO; }

 private:
  const int fd_;
  bool needs_room_ = false;
  std::string why_;
};

class FakeContext final : public TlsContext {
 public:
  std::unique_ptr<TlsSession> session(int fd, const std::string& /*host*/) override {
    return std::make_unique<FakeSession>(fd);
  }
  bool equip(void* /*ssl_context*/) const override { return false; }
  std::string complaint(unsigned long /*code*/) const override { return {}; }
  const std::vector<std::string>& notes() const override { return notes_; }

 private:
  std::vector<std::string> notes_;
};

class Handshakes : public Server {
 protected:
  void listen_with_tls(std::int64_t handshake_ms = 60'000) {
    TcpServer::Settings settings{{"127.0.0.1", 0}, 1000};
    settings.tls = std::make_shared<FakeContext>();
    settings.handshake_ms = handshake_ms;
    auto server = TcpServer::listen(std::move(settings));
    ASSERT_TRUE(server.ok()) << server.error().message;
    server_ = std::move(*server);
  }
  static void send(const UniqueFd& client, char byte) {
    ASSERT_EQ(::send(client.get(), &byte, 1, 0), 1);
  }
};

TEST_F(Handshakes, AClientIsToldOfWhenItsHandshakeIsDone) {
  listen_with_tls();
  const UniqueFd client = connect();
  EXPECT_TRUE(due().empty());  // accepted
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(server_->size(), 1u);
  EXPECT_EQ(server_->accepted(), 0u);
  for (const char step : {'i', 'o', 'i'}) {
    send(client, step);
    EXPECT_TRUE(due().empty());
  }
  EXPECT_TRUE(is_silent());  // what waited for room has got it
  EXPECT_GT(server_->deadline_ms(), 0);
  send(client, 'd');
  EXPECT_EQ(due(), (Events{{What::connected, 1}}));
  EXPECT_EQ(server_->deadline_ms(), -1);
  EXPECT_EQ(server_->accepted(), 1u);
  send(client, 'x');
  EXPECT_EQ(due(), (Events{{What::readable, 1}}));
  char byte = 0;
  EXPECT_EQ(server_->stream(1).read(&byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_TRUE(is_silent());
}

TEST_F(Handshakes, ASessionThatNeedsRoomIsCalledWhenThereIsSome) {
  listen_with_tls();
  const UniqueFd client = connect();
  EXPECT_TRUE(due().empty());
  ASSERT_EQ(::send(client.get(), "od", 2, 0), 2);
  EXPECT_TRUE(due().empty());                        // "o"
  EXPECT_EQ(due(), (Events{{What::connected, 1}}));  // writable, or readable: "d"
}

TEST_F(Handshakes, OneThatFailsIsLoggedOnceAndNeverTold) {
  listen_with_tls();
  const std::uint64_t warnings = log_counts().warnings;
  for (int i = 0; i < 3; ++i) {
    const UniqueFd client = connect();
    EXPECT_TRUE(due().empty());
    send(client, 'f');
    EXPECT_TRUE(due().empty());
    char byte = 0;
    EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);  // an end in good order
    EXPECT_EQ(server_->size(), 1u);                   // until it has closed, too
    ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
    EXPECT_TRUE(due().empty());
    EXPECT_EQ(server_->size(), 0u);
  }
  EXPECT_TRUE(is_silent());
  EXPECT_EQ(server_->deadline_ms(), -1);
  EXPECT_EQ(server_->failed_handshakes(), 3u);
  EXPECT_EQ(server_->accepted(), 0u);
  EXPECT_EQ(log_counts().warnings, warnings + 1);
}

TEST_F(Handshakes, OneThatTakesTooLongIsEnded) {
  listen_with_tls(0);
  const UniqueFd client = connect();
  EXPECT_TRUE(due().empty());
  EXPECT_TRUE(due_now().empty());  // late: the end is sent, and it may close
  ASSERT_EQ(server_->failed_handshakes(), 1u);
  char byte = 0;
  EXPECT_EQ(::recv(client.get(), &byte, 1, 0), 0);
}

TEST_F(Handshakes, OneThatWeDoNotReadIsNotLate) {
  listen_with_tls(0);
  const UniqueFd client = connect();
  EXPECT_TRUE(due().empty());
  server_->take_input(false);
  EXPECT_TRUE(due_now().empty());
  EXPECT_EQ(server_->failed_handshakes(), 0u);
  send(client, 'd');
  server_->take_input(true);
  EXPECT_EQ(due(), (Events{{What::connected, 1}}));
}

}  // namespace
}  // namespace fl
