// Names with several addresses, some of which do not answer.
#include "common/net/tcp_dialer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "common/io/poll_set.h"

namespace {

// What the resolver of this program answers for every name.
std::vector<std::string>& addresses_of_name() {
  static std::vector<std::string> addresses;
  return addresses;
}

}  // namespace

extern "C" int getaddrinfo(const char*, const char* port, const addrinfo* hints, addrinfo** out) {
  if ((hints->ai_flags & AI_NUMERICHOST) != 0) {
    return EAI_NONAME;
  }
  *out = nullptr;
  for (auto each = addresses_of_name().rbegin(); each != addresses_of_name().rend(); ++each) {
    auto* const name = static_cast<sockaddr_in*>(std::calloc(1, sizeof(sockaddr_in)));
    name->sin_family = AF_INET;
    name->sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
    inet_pton(AF_INET, each->c_str(), &name->sin_addr);
    auto* const entry = static_cast<addrinfo*>(std::calloc(1, sizeof(addrinfo)));
    entry->ai_family = AF_INET;
    entry->ai_addrlen = sizeof *name;
    entry->ai_addr = reinterpret_cast<sockaddr*>(name);
    entry->ai_next = *out;
    *out = entry;
  }
  return 0;
}

extern "C" void freeaddrinfo(addrinfo* list) {
  while (list != nullptr) {
    addrinfo* const next = list->ai_next;
    std::free(list->ai_addr);
    std::free(list);
    list = next;
  }
}

namespace fl {
namespace {

sockaddr_in ipv4(const std::string& address, std::uint64_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  return name;
}

/// A listener on a port of `address`; 0: a free one, which is `port` then.
UniqueFd listen_at(const std::string& address, std::uint64_t& port, int backlog) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in name = ipv4(address, port);
  socklen_t size = sizeof name;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 ||
      ::listen(fd.get(), backlog) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return {};
  }
  port = ntohs(name.sin_port);
  return fd;
}

class TcpDialerTest : public ::testing::Test {
 protected:
  /// Listens, but its queue is full: what is sent to begin a connection is dropped.
  UniqueFd silent_at(const std::string& address) {
    UniqueFd fd = listen_at(address, where_.port, 0);
    const sockaddr_in name = ipv4(address, where_.port);
    for (int i = 0; i < 4; ++i) {
      UniqueFd filler(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)::connect(filler.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name);
      fillers_.push_back(std::move(filler));
    }
    return fd;
  }

  /// The address that was reached, or why none was.
  std::string dial(std::int64_t timeout_ms) {
    dialer_.dial(where_, timeout_ms);
    PollSet set;
    for (int i = 0; i < 1'000; ++i) {
      set.clear();
      dialer_.watch(set);
      set.wake_at(dialer_.deadline_ms());
      set.wait();
      const auto made = dialer_.handle(set);
      if (!made) {
        continue;
      }
      if (!*made) {
        return made->error().message;
      }
      sockaddr_in name{};
      socklen_t size = sizeof name;
      ::getpeername((*made)->get(), reinterpret_cast<sockaddr*>(&name), &size);
      char text[INET_ADDRSTRLEN];
      return ::inet_ntop(AF_INET, &name.sin_addr, text, sizeof text);
    }
    return "no end";
  }

  HostPort where_{"name", 0};
  std::vector<UniqueFd> fillers_;
  TcpDialer dialer_;
};

TEST_F(TcpDialerTest, ASilentAddressDoesNotHideTheNextOne) {
  addresses_of_name() = {"127.0.0.2", "127.0.0.3", "127.0.0.1"};
  const UniqueFd silent = silent_at("127.0.0.2");
  const UniqueFd good = listen_at("127.0.0.1", where_.port, 8);
  ASSERT_TRUE(silent && good);
  EXPECT_EQ(dial(1'000), "127.0.0.1");  // 127.0.0.3 refuses
}

TEST_F(TcpDialerTest, TheNextTryBeginsAfterASilentAddress) {
  addresses_of_name() = {"127.0.0.2", "127.0.0.1"};
  const UniqueFd silent = silent_at("127.0.0.2");
  const UniqueFd good = listen_at("127.0.0.1", where_.port, 8);
  ASSERT_TRUE(silent && good);
  EXPECT_EQ(dial(1'000), "127.0.0.1");
  fillers_.clear();
  for (int i = 0; i < 4; ++i) {  // the silent one would answer now
    const UniqueFd accepted(::accept(silent.get(), nullptr, nullptr));
  }
  EXPECT_EQ(dial(30'000), "127.0.0.1");
}

TEST_F(TcpDialerTest, AddressesThatAreAllSilentTakeTheTimeThatIsGiven) {
  addresses_of_name() = {"127.0.0.2", "127.0.0.3"};
  const UniqueFd one = silent_at("127.0.0.2");
  const UniqueFd two = silent_at("127.0.0.3");
  ASSERT_TRUE(one && two);
  const std::string name = where_.text();
  EXPECT_EQ(dial(300), "cannot connect to " + name + ": no answer for 300ms");
}

TEST_F(TcpDialerTest, AddressesThatRefuseCostNoTime) {
  addresses_of_name() = {"127.0.0.2", "127.0.0.3"};
  UniqueFd bound = listen_at("127.0.0.1", where_.port, 8);  // a port that is free elsewhere
  ASSERT_TRUE(bound);
  EXPECT_EQ(dial(30'000), "cannot connect to " + where_.text() + ": Connection refused");
}

}  // namespace
}  // namespace fl
