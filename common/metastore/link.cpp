#include "common/metastore/link.h"

#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <variant>

#include "common/base/clock.h"
#include "common/base/unique_fd.h"
#include "common/base/units.h"
#include "common/io/poll_set.h"
#include "common/metastore/wire.h"
#include "common/net/byte_stream.h"

namespace fl {
namespace {

constexpr std::int64_t kLookMs = 50;  // how often a wait looks at the cancel flag

Error away(std::string what, std::string hint = {}) {
  return Error{ErrorClass::unavailable, std::move(what), std::move(hint)};
}

class TcpLink final : public MetastoreLink {
 public:
  TcpLink(HostPort where, const MetastoreLinkSettings& settings)
      : where_(std::move(where)), settings_(settings) {}

  bool is_used() const override { return fd_ && has_answered_; }
  bool is_connected() const override { return static_cast<bool>(fd_); }
  bool names_user() const override { return false; }
  const Error* failure() const override { return failure_ ? &*failure_ : nullptr; }
  void disconnect() override {
    fd_.reset();
    has_answered_ = false;
  }

  Status connect() override {
    disconnect();
    TcpDialer dialer;
    dialer.dial(where_, settings_.timeout_ms);
    PollSet set;
    while (!is_cancelled()) {
      set.clear();
      dialer.watch(set);
      set.wake_at(monotonic_ms() + kLookMs);
      set.wake_at(dialer.deadline_ms());
      set.wait();
      if (std::optional<Result<UniqueFd>> made = dialer.handle(set)) {
        if (!*made) {
          return made->error();
        }
        fd_ = std::move(**made);
        return {};
      }
    }
    return away("stopped while connecting to " + where_.text());
  }

  Status send(std::string_view request) override {
    failure_.reset();
    deadline_ms_ = monotonic_ms() + settings_.timeout_ms;
    while (!request.empty()) {
      const ssize_t n = ByteStream(fd_.get()).write(request.data(), request.size());
      if (n > 0) {
        request.remove_prefix(static_cast<std::size_t>(n));
      } else if (n < 0 && errno != EAGAIN) {
        return system_error(ErrorClass::unavailable, "cannot send to " + where_.text(), errno);
      } else if (!wait(POLLOUT)) {
        return *failure_;
      }
    }
    return {};
  }

  std::size_t read(char* to, std::size_t size) override {
    while (fd_) {
      const ssize_t n = ByteStream(fd_.get()).read(to, size);
      if (n > 0) {
        has_answered_ = true;
        return static_cast<std::size_t>(n);
      }
      if (n == 0) {
        return 0;
      }
      if (errno != EAGAIN) {
        failure_ =
            system_error(ErrorClass::unavailable, "cannot read from " + where_.text(), errno);
        return 0;
      }
      if (!wait(POLLIN)) {
        return 0;
      }
    }
    return 0;
  }

 private:
  bool is_cancelled() const { return settings_.cancel != nullptr && *settings_.cancel; }

  bool wait(short events) {
    PollSet set;
    for (;;) {
      const std::int64_t now = monotonic_ms();
      if (is_cancelled()) {
        failure_ = away("stopped while waiting for " + where_.text());
        return false;
      }
      if (now >= deadline_ms_) {
        failure_ = away(where_.text() + " does not answer within " +
                        to_string(Duration{settings_.timeout_ms}));
        return false;
      }
      set.clear();
      const int index = set.add(fd_.get(), events);
      set.wake_at(std::min(now + kLookMs, deadline_ms_));
      set.wait();
      if (set.revents(index) != 0) {
        return true;
      }
    }
  }

  const HostPort where_;
  const MetastoreLinkSettings settings_;
  UniqueFd fd_;
  std::int64_t deadline_ms_ = 0;
  bool has_answered_ = false;
  std::optional<Error> failure_;
};

HttpClient::Settings client_settings(const MetastoreLinkSettings& settings) {
  HttpClient::Settings client;
  client.tls = settings.tls;
  client.connect_timeout_ms = settings.timeout_ms;
  client.stall_timeout_ms = settings.timeout_ms;
  client.cancel = settings.cancel;
  return client;
}

class HttpLink final : public MetastoreLink {
 public:
  HttpLink(std::string url, const MetastoreLinkSettings& settings)
      : url_(std::move(url)), user_(settings.user), client_(client_settings(settings)) {}

  // The client has connections of its own, and takes another one where an old one is over.
  bool is_used() const override { return false; }
  bool is_connected() const override { return true; }
  bool names_user() const override { return true; }
  Status connect() override { return {}; }
  void disconnect() override {}
  const Error* failure() const override { return nullptr; }

  Status send(std::string_view request) override {
    answer_.clear();
    at_ = 0;
    const UniqueFd file(memfd_create("request", MFD_CLOEXEC));
    if (!file) {
      return system_error(ErrorClass::io, "cannot create a file in memory", errno);
    }
    for (std::string_view left = request; !left.empty();) {
      const ssize_t n = ::write(file.get(), left.data(), left.size());
      if (n < 0 && errno != EINTR) {
        return system_error(ErrorClass::io, "cannot write to a file in memory", errno);
      }
      left.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
    const HttpBody body{file.get(), 0, request.size()};
    HttpRequest post;
    post.method = "POST";
    post.url = url_;
    post.headers = {"Content-Type: application/x-thrift", "x-actor-username: " + user_};
    post.body = &body;
    post.max_reply = kMaxMetastoreAnswer;
    const std::variant<HttpReply, HttpFailure> outcome = client_.send(post);
    if (const auto* const failure = std::get_if<HttpFailure>(&outcome)) {
      return failure_of(*failure);
    }
    const auto& reply = std::get<HttpReply>(outcome);
    if (reply.status != 200) {
      return failure_of(reply);
    }
    answer_ = reply.body;
    return {};
  }

  std::size_t read(char* to, std::size_t size) override {
    const std::size_t n = std::min(size, answer_.size() - at_);
    answer_.copy(to, n, at_);
    at_ += n;
    return n;
  }

 private:
  Error failure_of(const HttpFailure& failure) const {
    const std::string what = url_ + ": " + failure.text;
    switch (failure.kind) {
      case HttpFailure::Kind::tls:
        return Error{ErrorClass::permission, what,
                     "check the certificates: --cacert, --cert, --key"};
      case HttpFailure::Kind::setup:
        return Error{ErrorClass::config, what, {}};
      case HttpFailure::Kind::plain:
        return Error{ErrorClass::config, what, "write http:// instead of https://"};
      case HttpFailure::Kind::encrypted:
        return away(what, "does a metastore in HTTP mode listen there? Otherwise write thrift://");
      default:
        return away(what);
    }
  }

  Error failure_of(const HttpReply& reply) const {
    const std::string what = url_ + " answers with status " + std::to_string(reply.status);
    if (reply.status == 401 || reply.status == 403) {
      return Error{ErrorClass::permission, what, "the metastore does not accept the user"};
    }
    if (reply.status >= 400 && reply.status < 500) {
      return Error{ErrorClass::config, what,
                   "check the URL: the path is metastore.server.thrift.http.path of the metastore"};
    }
    return away(what);
  }

  const std::string url_;
  const std::string user_;
  HttpClient client_;
  std::string answer_;
  std::size_t at_ = 0;
};

Error no_address(std::string_view text) {
  const bool is_server2 = text.find("hive2://") != std::string_view::npos;
  return Error{ErrorClass::usage, "'" + std::string(text) + "' is not the address of a metastore",
               is_server2 ? "that is HiveServer2; write thrift://HOST:9083 for its metastore"
                          : "write thrift://HOST:PORT, or http://HOST:PORT/metastore"};
}

Result<MetastoreAddress> parse_one(std::string_view text) {
  MetastoreAddress address;
  std::string_view rest = text;
  bool is_http = false;
  if (const std::size_t colon = text.find("://"); colon != std::string_view::npos) {
    const std::string_view scheme = text.substr(0, colon);
    is_http = scheme == "http" || scheme == "https";
    if (!is_http && scheme != "thrift") {
      return no_address(text);
    }
    rest = text.substr(colon + 3);
  }
  if (is_http) {
    const std::size_t slash = rest.find('/');
    if (rest.empty() || slash == 0 || rest.find_first_of("@?# ") != std::string_view::npos) {
      return no_address(text);
    }
    address.url = text;
    if (slash == std::string_view::npos) {
      address.url += "/metastore";
    }
    return address;
  }
  while (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  if (rest.find_first_of(" \t/@") != std::string_view::npos) {
    return no_address(text);
  }
  std::string place(rest);
  const bool has_port = place.starts_with('[') ? place.find("]:") != std::string::npos
                                               : place.find(':') != std::string::npos;
  const Result<HostPort> parsed = place.empty()
                                      ? Result<HostPort>(no_address(text))
                                      : parse_host_port(has_port ? place : place + ":9083");
  if (!parsed) {
    return no_address(text);
  }
  address.tcp = *parsed;
  return address;
}

}  // namespace

Result<std::vector<MetastoreAddress>> parse_metastore_addresses(std::string_view text) {
  std::vector<MetastoreAddress> addresses;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::string_view one = text.substr(at, comma - at);
    while (one.starts_with(' ')) {
      one.remove_prefix(1);
    }
    while (one.ends_with(' ')) {
      one.remove_suffix(1);
    }
    Result<MetastoreAddress> address = parse_one(one);
    if (!address) {
      return address.error();
    }
    addresses.push_back(std::move(*address));
    at = comma + 1;
  }
  return addresses;
}

std::unique_ptr<MetastoreLink> make_metastore_link(const MetastoreAddress& address,
                                                   const MetastoreLinkSettings& settings) {
  if (address.url.empty()) {
    return std::make_unique<TcpLink>(address.tcp, settings);
  }
  return std::make_unique<HttpLink>(address.url, settings);
}

}  // namespace fl
