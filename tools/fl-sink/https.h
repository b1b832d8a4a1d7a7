// TLS of a sink that speaks HTTP, for those of its URLs that begin with https.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "common/access/tls_options.h"
#include "common/base/error.h"
#include "common/http/posts.h"
#include "common/net/tls.h"

namespace fl {

/// Outlives the clients that it secures.
class Https {
 public:
  static bool is_url(std::string_view url);
  /// Reads certificates and secrets. `is_used`: there is such a URL. Errors: class config.
  Status open(const TlsOptions& options, bool is_used);
  /// For new connections, certificates as they are now; none without such a URL.
  std::optional<HttpPosts::Security> security() const;
  /// Reads the files again; if that fails, the old ones stay in use.
  void reopen();

 private:
  TlsOptions options_;
  std::shared_ptr<TlsContext> tls_;
};

}  // namespace fl
