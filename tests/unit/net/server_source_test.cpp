// A server source as small as it can be, on the interfaces of common/net alone: 1,000 clients whose
// replies wait for acknowledgements. Each call that the contract of TcpServer and EventLedger asks
// for is left out once, and the same trial must then fail.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/net/event_ledger.h"
#include "common/net/tcp_server.h"

namespace fl {
namespace {

constexpr std::size_t kClients = 1000;
constexpr std::size_t kOthers = 3;
constexpr std::size_t kMaxEntries = 700;  // the ledger is full before all clients have been read
constexpr std::size_t kEventsOfOnePoll = 64;
constexpr int kLinesOfOne = 300'000;  // of a client that reads nothing meanwhile
constexpr std::int64_t kPatienceMs = 200;
constexpr std::int64_t kLimitMs = 20'000;

/// The call that the source forgets.
enum class Forgets {
  nothing,
  no_more_input,     // want_input(false) for a client that has ended
  back_pressure,     // take_input(false) while the ledger is full
  input_again,       // take_input(true) when it has room
  output,            // want_output(true) for replies that did not fit
  no_more_output,    // want_output(false) when they are written
  acknowledgements,  // acknowledge()
  deadline,          // set_deadline() for one that has ended and does not read
  closing,           // close() of one that is answered
};

/// Each byte that a client sends is a request of one event, and is answered with one byte.
class ServerSource {
 public:
  ServerSource(std::unique_ptr<TcpServer> server, Forgets forgets)
      : server_(std::move(server)), forgets_(forgets) {}

  TcpServer& server() { return *server_; }
  std::uint64_t events() const { return ledger_.events(); }

  bool turn() {
    if (ledger_.full() ? forgets_ != Forgets::back_pressure : forgets_ != Forgets::input_again) {
      server_->take_input(!ledger_.full());
    }
    const auto events = server_->poll();
    for (const TcpServer::Event& event : **events) {
      serve(event);
    }
    return !(*events)->empty();
  }

  /// The first n events are safe.
  void acknowledge(std::uint64_t n) {
    if (forgets_ == Forgets::acknowledgements) {
      return;
    }
    std::vector<std::uint64_t> served;
    ledger_.acknowledge(n, [&](std::uint64_t id, std::uint64_t replies) {
      if (const auto found = clients_.find(id); found != clients_.end()) {
        found->second.unanswered -= replies;
        found->second.owed += replies;
        served.push_back(id);
      }
    });
    for (const std::uint64_t id : served) {
      settle(id);
    }
  }

 private:
  struct Client {
    std::uint64_t unanswered = 0;
    std::uint64_t owed = 0;
    bool is_at_end = false;
  };

  void serve(const TcpServer::Event& event) {
    if (event.what == TcpServer::What::connected) {
      clients_[event.client];
      // Small, so that the replies to the one who does not read do not fit.
      const int bytes = 4096;
      (void)::setsockopt(server_->fd(event.client), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
      return;
    }
    if (!clients_.contains(event.client)) {
      return;  // closed since the events were collected
    }
    switch (event.what) {
      case TcpServer::What::connected:
        break;
      case TcpServer::What::readable:
        read(event.client);
        settle(event.client);
        break;
      case TcpServer::What::writable:
        server_->set_deadline(event.client, -1);
        settle(event.client);
        break;
      case TcpServer::What::late:
        server_->close(event.client);
        clients_.erase(event.client);
        break;
    }
  }

  void read(std::uint64_t id) {
    Client& client = clients_.at(id);
    std::array<char, 4096> bytes;
    const ssize_t n = ::recv(server_->fd(id), bytes.data(), bytes.size(), 0);
    client.is_at_end = client.is_at_end || n == 0;
    for (ssize_t i = 0; i < n; ++i) {
      ledger_.add(id, 1);
      ++client.unanswered;
    }
  }

  void settle(std::uint64_t id) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) {
      return;
    }
    Client& client = found->second;
    while (client.owed > 0) {
      const std::string replies(std::min<std::uint64_t>(client.owed, 4096), '+');
      const ssize_t n =
          ::send(server_->fd(id), replies.data(), replies.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) {
        break;
      }
      client.owed -= static_cast<std::uint64_t>(n);
    }
    const bool is_answered = client.unanswered + client.owed == 0;
    if (client.is_at_end && is_answered && forgets_ != Forgets::closing) {
      server_->close(id);
      clients_.erase(found);
      return;
    }
    if (client.is_at_end && forgets_ != Forgets::no_more_input) {
      server_->want_input(id, false);
    }
    if (client.owed > 0 ? forgets_ != Forgets::output : forgets_ != Forgets::no_more_output) {
      server_->want_output(id, client.owed > 0);
    }
    if (client.is_at_end && client.owed > 0 && !server_->has_deadline(id) &&
        forgets_ != Forgets::deadline) {
      server_->set_deadline(id, monotonic_ms() + kPatienceMs);
    }
  }

  std::unique_ptr<TcpServer> server_;
  const Forgets forgets_;
  EventLedger ledger_{kMaxEntries};
  std::map<std::uint64_t, Client> clients_;
};

class Trial {
 public:
  explicit Trial(Forgets forgets)
      : source_(std::move(*TcpServer::listen({{"127.0.0.1", 0}, kClients + kOthers})), forgets) {}

  /// What went wrong first; empty: nothing.
  std::string run() {
    for (std::size_t i = 0; i < kClients + kOthers; ++i) {
      clients_.push_back(connect());
    }
    if (!turn_until([&] { return source_.server().size() == kClients + kOthers; })) {
      return "clients are not accepted";
    }
    for (std::size_t i = 0; i < kClients; ++i) {
      (void)::send(clients_[i].get(), "ab", 2, 0);
      if (i % 2 == 0) {
        ::shutdown(clients_[i].get(), SHUT_WR);
      }
    }
    // As many as the ledger holds are read; the others wait in the kernel, and nothing spins.
    if (!turn_until([&] { return source_.events() >= 2 * kMaxEntries; })) {
      return "requests are not read";
    }
    if (!is_silent()) {
      return "it is woken while it can take nothing";
    }
    if (source_.events() > 2 * (kMaxEntries + kEventsOfOnePoll)) {
      return "it takes more than it can hold";
    }
    if (const std::string problem = hear_replies(); !problem.empty()) {
      return problem;
    }
    if (!is_silent()) {
      return "it is woken though all are answered";
    }
    if (source_.server().size() != kClients / 2 + kOthers) {
      return fmt::format("{} of {} clients are left", source_.server().size(),
                         kClients / 2 + kOthers);
    }
    if (const std::string problem = end_early(clients_[kClients + 2].get()); !problem.empty()) {
      return problem;
    }
    if (const std::string problem = overflow(clients_[kClients].get(), true); !problem.empty()) {
      return problem;
    }
    return overflow(clients_[kClients + 1].get(), false);
  }

 private:
  std::string hear_replies() {
    std::vector<std::size_t> heard(kClients, 0);
    std::size_t sum = 0;
    const bool all_came = turn_until([&] {
      source_.acknowledge(source_.events());
      for (std::size_t i = 0; i < kClients; ++i) {
        std::array<char, 16> bytes;
        const ssize_t n = ::recv(clients_[i].get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        heard[i] += n > 0 ? static_cast<std::size_t>(n) : 0;
        sum += n > 0 ? static_cast<std::size_t>(n) : 0;
      }
      return sum >= 2 * kClients;
    });
    if (!all_came) {
      return fmt::format("{} of {} replies came", sum, 2 * kClients);
    }
    const bool each = std::all_of(heard.begin(), heard.end(), [](auto n) { return n == 2; });
    return each ? "" : "a reply went to another client";
  }

  // A client has ended, its reply waits, and there is room for others.
  std::string end_early(int client) {
    const std::uint64_t before = source_.events();
    (void)::send(client, "a", 1, 0);
    ::shutdown(client, SHUT_WR);
    if (!turn_until([&] { return source_.events() == before + 1; })) {
      return "a last request is not read";
    }
    if (!is_silent()) {
      return "it is woken by a client that has ended";
    }
    source_.acknowledge(source_.events());
    char reply = 0;
    return ::recv(client, &reply, 1, MSG_DONTWAIT) == 1 ? "" : "a last reply did not come";
  }

  // One client sends more requests than its socket holds replies, ends, and reads late or never.
  std::string overflow(int client, bool reads) {
    const std::string bytes(4096, 'x');
    int left = kLinesOfOne;
    const std::uint64_t before = source_.events();
    const std::uint64_t goal = before + static_cast<std::uint64_t>(left);
    const bool all_read = turn_until([&] {
      while (left > 0) {
        const auto size = std::min(static_cast<std::size_t>(left), bytes.size());
        const ssize_t n = ::send(client, bytes.data(), size, MSG_DONTWAIT);
        if (n < 0) {
          break;
        }
        left -= static_cast<int>(n);
      }
      return source_.events() == goal;
    });
    if (!all_read) {
      return "a client that sends much is not read";
    }
    source_.acknowledge(goal);
    if (!is_silent()) {
      return "it is woken by a client that does not read";
    }
    std::uint64_t heard = 0;
    const auto hear = [&] {
      std::array<char, 65536> replies;
      ssize_t n = 0;
      while ((n = ::recv(client, replies.data(), replies.size(), MSG_DONTWAIT)) > 0) {
        heard += static_cast<std::uint64_t>(n);
      }
      return heard == goal - before;
    };
    if (reads && !turn_until(hear)) {
      return fmt::format("{} of {} replies came to a slow reader", heard, goal - before);
    }
    if (reads && !is_silent()) {
      return "it is woken though a slow reader has all";
    }
    const std::size_t clients = source_.server().size();
    ::shutdown(client, SHUT_WR);
    const bool is_over = turn_until([&] { return source_.server().size() == clients - 1; });
    if (!is_over) {
      return "a client that has ended stays";
    }
    return is_silent() ? "" : "it is woken though nothing is left to do";
  }

  UniqueFd connect() {
    const std::string& address = source_.server().address();
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int bytes = 4096;
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&where), sizeof where), 0);
    return fd;
  }

  // Turns of the loop until `done`; false: it did not become true.
  bool turn_until(const std::function<bool()>& done) {
    const std::int64_t end = monotonic_ms() + limit_ms_;
    while (!done()) {
      pollfd entry{source_.server().wait_fd(), POLLIN, 0};
      ::poll(&entry, 1, 5);
      source_.turn();
      if (monotonic_ms() > end) {
        return false;
      }
    }
    return true;
  }

  // Nothing is due after what is due now: a few turns may have been under way.
  bool is_silent() {
    for (int i = 0; i < 20; ++i) {
      pollfd entry{source_.server().wait_fd(), POLLIN, 0};
      if (::poll(&entry, 1, 0) == 0) {
        return true;
      }
      source_.turn();
    }
    return false;
  }

  ServerSource source_;
  std::vector<UniqueFd> clients_;

 public:
  std::int64_t limit_ms_ = kLimitMs;
};

class ServerSourceTrial : public testing::Test {
 protected:
  void SetUp() override {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * kClients + 100) {
      GTEST_SKIP() << "the hard limit of open files is " << limit.rlim_cur;
    }
  }
};

TEST_F(ServerSourceTrial, AThousandClientsWhoseRepliesWait) {
  EXPECT_EQ(Trial(Forgets::nothing).run(), "");
}

TEST_F(ServerSourceTrial, FailsWhenACallOfTheContractIsLeftOut) {
  const std::vector<std::pair<Forgets, std::string>> expected = {
      {Forgets::no_more_input, "it is woken by a client that has ended"},
      {Forgets::back_pressure, "it takes more than it can hold"},
      {Forgets::input_again, " of 2000 replies came"},
      {Forgets::output, " of 300000 replies came to a slow reader"},
      {Forgets::no_more_output, "it is woken though a slow reader has all"},
      {Forgets::acknowledgements, "0 of 2000 replies came"},
      {Forgets::deadline, "a client that has ended stays"},
      {Forgets::closing, "1003 of 503 clients are left"},
  };
  for (const auto& [forgets, problem] : expected) {
    Trial trial(forgets);
    trial.limit_ms_ = 2000;
    const std::string found = trial.run();
    EXPECT_NE(found.find(problem), std::string::npos) << problem << ", found: " << found;
  }
}

}  // namespace
}  // namespace fl
