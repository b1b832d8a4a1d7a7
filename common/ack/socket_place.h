// Where the side connection's sockets live, and which of them a reader may connect to (DESIGN 3,
// "Where the socket lives"; the header that names a socket is untrusted input).
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// A listening socket at `path`. The file stays until remove().
struct ListeningSocket {
  UniqueFd fd;
  std::string path;
};

/// Makes one in the first of $FL_RUNTIME_DIR, $RUNTIME_DIRECTORY, /run/fl, /tmp/fl-UID that we can
/// create in and that others may search. Mode 0666 whatever the umask. Sweeps sockets of ours
/// there that are older than 24 h and refuse connections.
Result<ListeningSocket> listen_in_runtime_dir();

/// How an attempt to connect came out.
enum class ConnectResult {
  connected,
  finished,  ///< no such socket: the writer ended with 0, or the stream was saved: read on quietly
  refused,   ///< the writer died or failed: early end
  barred,    ///< it may not be used (shape, owner, permission); `why` says it
};

/// Connects to the socket that a stream's header names. `input_fd`: the descriptor the stream comes
/// from; only pipes and sockets are answered.
ConnectResult connect_to_writer(std::string_view path, int input_fd, UniqueFd& out,
                                std::string& why);

}  // namespace fl
