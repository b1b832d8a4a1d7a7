#include "common/hadoop/login.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/hadoop/answers.h"
#include "common/hadoop/token_file.h"

namespace fl {
namespace {

constexpr std::int64_t kDefaultLifeMs = std::int64_t{24} * 3600 * 1000;
constexpr std::int64_t kRetryMs = 60'000;

/// Names that tokens for these servers may carry: host and addresses of each endpoint and of the
/// file system. The ports differ (RPC, HTTP) and do not count.
std::vector<std::string> services_of(const WebHdfsSettings& settings) {
  std::vector<std::string> services;
  std::vector<std::string> hosts;
  for (const std::string& endpoint : settings.endpoints) {
    if (const auto target = parse_redirect(endpoint)) {
      hosts.push_back(target->host);
    }
  }
  if (!settings.service.empty()) {
    services.push_back("ha-hdfs:" + settings.service);
    services.push_back("ha-webhdfs:" + settings.service);
    services.push_back("ha-swebhdfs:" + settings.service);
  }
  for (const std::string& host : hosts) {
    services.push_back(host + ":0");
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
      continue;
    }
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
      char text[NI_MAXHOST];
      if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
        services.push_back(std::string(text) + ":0");
      }
    }
    freeaddrinfo(found);
  }
  return services;
}

HdfsError no_login(const std::string& action, const Error& why) {
  HdfsError error =
      hdfs_error(why.kind == ErrorClass::unavailable ? HdfsTrouble::wait : HdfsTrouble::permission,
                 action + ": " + why.message, why.hint);
  error.waiting_for = why.message;
  return error;
}

}  // namespace

HdfsLogin::HdfsLogin(const WebHdfsSettings& settings)
    : settings_(settings), token_file_(settings.token_file) {
  if (token_file_.empty() && settings_.kerberos) {
    const char* path = std::getenv("HADOOP_TOKEN_FILE_LOCATION");
    token_file_ = path == nullptr ? "" : path;
  }
  if (settings_.kerberos) {
    ticket_.emplace(settings_.keytab, settings_.principal);
  }
}

HdfsLogin::Proof HdfsLogin::proof() const {
  Proof proof;
  if (!token_.empty()) {
    proof.token = token_;
    proof.query = "&delegation=" + url_encode(token_);
    return proof;  // it says for whom it acts
  }
  if (settings_.kerberos) {
    proof.negotiate = true;
  } else {
    proof.query = "&user.name=" + url_encode(settings_.user);
  }
  if (!settings_.proxy_user.empty()) {
    proof.query += "&doas=" + url_encode(settings_.proxy_user);
  }
  return proof;
}

HdfsStatus HdfsLogin::check_files(const std::string& action) const {
  for (const std::string& path : {settings_.keytab, settings_.tls.key}) {
    if (const Status safe = check_private(path); !safe) {
      return no_login(action, safe.error());
    }
  }
  return {};
}

HdfsResult<HdfsLogin::Proof> HdfsLogin::prove(const std::string& action, const Send& send) {
  const std::lock_guard lock(mutex_);
  if (HdfsStatus safe = check_files(action); !safe) {
    return safe.error();
  }
  if (!token_file_.empty() && token_.empty() && !is_file_useless_) {
    if (HdfsStatus read = read_file(action); !read) {
      return read.error();
    }
  }
  if (is_from_file_ || !settings_.kerberos) {
    return proof();
  }
  const std::int64_t now = wall_ms();
  if (!token_.empty() && now >= token_ends_ms_) {
    token_.clear();
  }
  if (!token_.empty() && now < renew_at_ms_) {
    return proof();
  }
  if (HdfsStatus there = ensure_ticket(action); !there) {
    if (token_.empty()) {
      return there.error();
    }
    renew_at_ms_ = now + kRetryMs;  // the old one is good for a while
    return proof();
  }
  if (settings_.httpfs || are_tokens_refused_) {
    return proof();
  }
  if (!token_.empty()) {
    renew_token(send);
    if (!token_.empty()) {
      return proof();
    }
  }
  if (HdfsStatus fetched = fetch_token(action, send); !fetched) {
    return fetched.error();
  }
  return proof();
}

HdfsStatus HdfsLogin::ensure_ticket(const std::string& action) {
  const bool renew = std::exchange(renew_ticket_, false);
  if (const Status there = ticket_->ensure(renew); !there) {
    return no_login(action, there.error());
  }
  return {};
}

HdfsStatus HdfsLogin::fetch_token(const std::string& action, const Send& send) {
  std::string query = "op=GETDELEGATIONTOKEN&renewer=" + url_encode(ticket_->principal());
  if (!settings_.proxy_user.empty()) {
    query += "&doas=" + url_encode(settings_.proxy_user);
  }
  auto answer = send("GET", query);
  if (auto* error = std::get_if<HdfsError>(&answer)) {
    switch (error->trouble) {
      case HdfsTrouble::wait:
        return {};  // safe mode: a ticket is enough for what can be done now
      case HdfsTrouble::invalid:
      case HdfsTrouble::other:
      case HdfsTrouble::missing:
        are_tokens_refused_ = true;  // a cluster without tokens; a ticket each time
        return {};
      default:
        break;
    }
    error->message = action + error->message.substr(error->message.find(": "));
    return std::move(*error);
  }
  const std::optional<std::string> token = parse_token(std::get<std::string>(answer));
  if (!token) {
    are_tokens_refused_ = true;
    return {};
  }
  token_ = *token;
  const std::int64_t now = wall_ms();
  token_ends_ms_ = now + kDefaultLifeMs;
  renew_at_ms_ = now + kDefaultLifeMs * 3 / 4;
  renew_token(send);  // tells how long it lives
  return {};
}

void HdfsLogin::renew_token(const Send& send) {
  const std::int64_t now = wall_ms();
  auto answer = send("PUT", "op=RENEWDELEGATIONTOKEN&token=" + url_encode(token_));
  if (const auto* body = std::get_if<std::string>(&answer)) {
    if (const std::optional<std::int64_t> ends = parse_long(*body); ends && *ends > now) {
      token_ends_ms_ = *ends;
      renew_at_ms_ = now + std::max<std::int64_t>(1000, (*ends - now) * 3 / 4);
    } else {
      renew_at_ms_ = std::max(renew_at_ms_, now + kRetryMs);  // our clocks differ
    }
    return;
  }
  const HdfsError& error = std::get<HdfsError>(answer);
  if (error.retry() == HdfsRetry::soon && error.trouble != HdfsTrouble::token) {
    renew_at_ms_ = now + kRetryMs;
  } else if (now >= renew_at_ms_) {
    token_.clear();  // its life may not be made longer: a new one
  }
}

HdfsStatus HdfsLogin::read_file(const std::string& action) {
  const Result<std::vector<DelegationToken>> tokens = read_token_file(token_file_);
  if (!tokens) {
    return no_login(action, tokens.error());
  }
  if (const DelegationToken* token = find_token(*tokens, services_of(settings_))) {
    token_ = url_string(*token);
    is_from_file_ = true;
    return {};
  }
  if (!settings_.kerberos || !settings_.token_file.empty()) {
    return no_login(action, {ErrorClass::permission,
                             "there is no token for this cluster in '" + token_file_ + "'",
                             {}});
  }
  is_file_useless_ = true;  // from the environment, for other clusters
  return {};
}

bool HdfsLogin::refused(const Proof& proof) {
  const std::lock_guard lock(mutex_);
  if (!proof.token.empty()) {
    if (token_ == proof.token) {
      token_.clear();  // a file is read again: somebody may have put a new one there
      is_from_file_ = false;
    }
    return true;
  }
  renew_ticket_ = proof.negotiate;
  return proof.negotiate;
}

void HdfsLogin::forget_token() {
  const std::lock_guard lock(mutex_);
  token_.clear();
  is_from_file_ = false;
}

std::string HdfsLogin::take_token() {
  const std::lock_guard lock(mutex_);
  return is_from_file_ ? std::string() : std::exchange(token_, {});
}

std::string HdfsLogin::scrub(std::string text) const {
  const std::lock_guard lock(mutex_);
  if (!token_.empty()) {
    for (std::size_t at = text.find(token_); at != std::string::npos; at = text.find(token_, at)) {
      text.replace(at, token_.size(), "***");
    }
  }
  return text;
}

}  // namespace fl
