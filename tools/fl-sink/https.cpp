#include "tools/fl-sink/https.h"

#include <strings.h>

#include <utility>

#include "common/access/open_tls.h"

namespace fl {

bool Https::is_url(std::string_view url) {
  constexpr std::string_view kScheme = "https:";
  return url.size() >= kScheme.size() &&
         ::strncasecmp(url.data(), kScheme.data(), kScheme.size()) == 0;
}

Status Https::open(const TlsOptions& options, bool is_used) {
  options_ = options;
  options_.use = is_used;
  options_.asked_by = "https";
  auto tls = open_tls(options_, TlsSide::client);
  if (!tls) {
    return tls.error();
  }
  tls_ = std::move(*tls);
  if (tls_ && !HttpPosts::has_openssl()) {
    return Error{ErrorClass::config, "this libcurl does TLS without OpenSSL",
                 "install libcurl4, which uses OpenSSL"};
  }
  return {};
}

// Looks at tls_ for each connection.
std::optional<HttpPosts::Security> Https::security() const {
  if (!tls_) {
    return std::nullopt;
  }
  return HttpPosts::Security{[this](void* ssl_context) { return tls_->equip(ssl_context); },
                             [this](unsigned long code) { return tls_->complaint(code); },
                             options_.trust_all_certs};
}

void Https::reopen() {
  if (auto tls = reopen_tls(options_, TlsSide::client)) {
    tls_ = std::move(tls);
  }
}

}  // namespace fl
