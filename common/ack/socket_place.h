// Where the side connection's sockets live, and which of them a reader connects to. The header that
// names a socket is untrusted input: a saved stream can name any socket of the host, and root may
// read it. So a reader connects only where everybody may connect, which gives nobody new powers;
// then it does not matter whose socket it is.
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.h"
#include "common/base/unique_fd.h"

namespace fl {

/// A listening socket at `path`, which is absolute and has no links in it. The file stays until
/// somebody removes it.
struct ListeningSocket {
  UniqueFd fd;
  std::string path;
};

/// Makes one in the first of $FL_RUNTIME_DIR, $RUNTIME_DIRECTORY, /run/fl, /tmp/fl-UID that we can
/// create in and that others may search. Mode 0666 whatever the umask. One call in
/// sixteen, by chance, sweeps sockets of ours there that are older than 24 h and refuse
/// connections: a start costs the same however many sockets others have left.
Result<ListeningSocket> listen_in_runtime_dir();

/// The outcome of an attempt to connect.
enum class ConnectResult {
  connected,
  finished,  ///< no such socket: the writer ended with 0, or the stream was saved: read on quietly
  refused,   ///< the writer died or failed: early end
  busy,      ///< the writer has not accepted earlier connections yet: worth another try
  barred,    ///< it may not be used (shape, mode, links) or cannot be; `why` says it
};

/// Connects to the socket that a stream's header names in fl.ack. `stream_id`: its fl.stream; one
/// that is not 32 hexadecimal digits is never sent anywhere. `input_fd`: the descriptor the stream
/// comes from; only pipes and sockets are answered. No part of `path` may be a link, every folder
/// must be searchable by everybody, and the socket must have one name and be writable by everybody;
/// the socket that was checked is the one connected to, however fast somebody swaps names.
ConnectResult connect_to_writer(std::string_view path, std::string_view stream_id, int input_fd,
                                UniqueFd& out, std::string& why);
/// The same for a socket that was found good, and is held by a descriptor with O_PATH: the writer
/// may end with 0, and remove it, just then.
ConnectResult connect_to_held(int held, UniqueFd& out, std::string& why);

}  // namespace fl
