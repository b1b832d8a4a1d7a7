// A server with scripted answers, for what a healthy cluster never says.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/unique_fd.h"

namespace fl {

inline const std::string kHang = "HANG";
inline const std::string kDrip = "DRIP";

/// Answers each request on 127.0.0.1 with what `handler` says; an empty answer hangs up,
/// kHang says nothing until the client gives up, and what follows kDrip comes a byte at a time
/// until then.
class FakeServer {
 public:
  using Handler = std::function<std::string(const std::string& request)>;

  explicit FakeServer(Handler handler) : handler_(std::move(handler)) {
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(listener_.get(), generic, size), 0);
    EXPECT_EQ(listen(listener_.get(), 16), 0);
    EXPECT_EQ(getsockname(listener_.get(), generic, &size), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  const std::string& url() const { return url_; }
  std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    for (;;) {
      const UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!fd) {
        return;
      }
      const std::string request = read_request(fd.get());
      if (request.empty()) {
        continue;
      }
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const std::string answer = handler_(request);
      if (answer == kHang) {
        char byte = 0;
        while (read(fd.get(), &byte, 1) > 0) {}
        continue;
      }
      if (const std::size_t at = answer.find(kDrip); at != std::string::npos) {
        drip(fd.get(), answer.substr(0, at), answer.substr(at + kDrip.size()));
        continue;
      }
      std::size_t sent = 0;
      while (sent < answer.size()) {
        const ssize_t done =
            send(fd.get(), answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (done <= 0) {
          break;
        }
        sent += static_cast<std::size_t>(done);
      }
    }
  }
  /// Bounded: ten minutes.
  static void drip(int fd, const std::string& first, const std::string& more) {
    if (send(fd, first.data(), first.size(), MSG_NOSIGNAL) < 0) {
      return;
    }
    for (std::size_t i = 0; i < 6000; ++i) {
      pollfd peer{fd, POLLRDHUP, 0};
      if (poll(&peer, 1, 100) > 0 || send(fd, &more[i % more.size()], 1, MSG_NOSIGNAL) <= 0) {
        return;
      }
    }
  }
  static std::string read_request(int fd) {
    std::string text;
    std::size_t wanted = 0;
    char buffer[4096];
    while (wanted == 0 || text.size() < wanted) {
      const ssize_t got = read(fd, buffer, sizeof buffer);
      if (got <= 0) {
        break;
      }
      text.append(buffer, static_cast<std::size_t>(got));
      const std::size_t end = text.find("\r\n\r\n");
      if (wanted == 0 && end != std::string::npos) {
        const std::size_t length = text.find("Content-Length: ");
        wanted = end + 4 + (length < end ? std::stoul(text.substr(length + 16)) : 0);
      }
    }
    return text;
  }

  Handler handler_;
  UniqueFd listener_;
  std::string url_;
  std::mutex mutex_;
  std::vector<std::string> requests_;  // guarded by mutex_
  std::thread thread_;
};

inline std::string reply(const std::string& status, const std::string& body,
                         const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
inline std::string refusal(const std::string& status, const std::string& exception) {
  return reply(status, R"({"RemoteException":{"exception":")" + exception + R"(","message":"m"}})");
}
inline std::string file(std::uint64_t id) {
  return reply("200 OK", R"({"FileStatus":{"fileId":)" + std::to_string(id) +
                             R"(,"length":3,"modificationTime":5,"pathSuffix":"","type":"FILE"}})");
}
inline const std::string kNotFound = refusal("404 Not Found", "FileNotFoundException");
inline const std::string kStandby = refusal("403 Forbidden", "StandbyException");
inline const std::string kHome = reply("200 OK", R"({"Path":"/user/u"})");

inline bool has(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

}  // namespace fl
