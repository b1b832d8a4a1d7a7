// Turns the options of TLS into the context that makes sessions.
#pragma once

#include <memory>

#include "common/access/tls_options.h"
#include "common/base/error.h"
#include "common/net/tls.h"

namespace fl {

enum class TlsSide { server, client };

/// Reads the files and passwords as they are now, and logs what has no effect. Null where TLS is
/// off. Class config, or the system's where a file cannot be read.
Result<std::shared_ptr<TlsContext>> open_tls(const TlsOptions& options, TlsSide side);

/// The same once connections exist (HUP): an error is logged as a warning and gives null: keep the
/// old context.
std::shared_ptr<TlsContext> reopen_tls(const TlsOptions& options, TlsSide side);

}  // namespace fl
