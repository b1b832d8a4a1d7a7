// A connection of the avro sink to its server: one request at a time, and its reply.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/avrorpc/client_session.h"
#include "common/avrorpc/frame.h"
#include "common/avrorpc/zlib_stream.h"
#include "common/base/error.h"
#include "common/base/unique_fd.h"
#include "common/net/byte_stream.h"

namespace fl {

/// Owns the socket. Between calls a request is in flight (is_busy()), or not.
class AvroLink {
 public:
  /// `tls`: a session on `fd`, or null; `level`: of deflate; -1: connections are not compressed.
  AvroLink(UniqueFd fd, std::unique_ptr<TlsSession> tls, int level);

  int fd() const { return fd_.get(); }
  /// What to poll the socket for, as poll(2) has it.
  short events() const;
  /// Requests can be sent: where there is TLS, its handshake is done.
  bool is_ready() const { return is_ready_; }
  /// Goes on with the handshake. Class config: it would fail again.
  Status shake_hands();
  /// appendBatch of `count` events, encoded as in a stream, which stay where they are as long as
  /// is_busy().
  void send(std::string_view events, std::uint64_t count);
  bool is_busy() const { return is_busy_; }
  bool has_unsent() const { return sent_ < size_; }
  /// Writes and reads what can be now. The outcome of the request, if it is here: kind `again`
  /// never, since that is done here. An error: the connection is of no use any more; class config
  /// if the server cannot be ours.
  Result<std::optional<RpcOutcome>> move();

 private:
  Error lost_connection(std::string why) const;
  Status write();
  Result<bool> read();
  void pack();

  UniqueFd fd_;
  std::unique_ptr<TlsSession> tls_;
  ByteStream stream_;
  bool is_ready_;
  RpcClientSession session_;
  RpcFrameReader frame_;
  std::optional<Inflater> inflater_;
  std::optional<Deflater> deflater_;
  std::uint32_t serial_ = 0;
  bool is_busy_ = false;
  bool is_answered_ = false;  // once: it is our sort of server
  std::string_view events_;   // of the request, which is packed again for a server that asks
  std::uint64_t count_ = 0;
  std::array<std::string_view, 3> parts_;  // the request: what is sent of it, in order
  std::string out_;                        // the first of them
  std::size_t size_ = 0;                   // of all
  std::size_t sent_ = 0;
};

}  // namespace fl
