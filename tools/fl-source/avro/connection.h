// One client of the avro source: its bytes cut into requests, and the replies it is owed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "common/avrorpc/frame.h"
#include "common/avrorpc/reply.h"
#include "common/avrorpc/server_session.h"
#include "common/avrorpc/zlib_stream.h"
#include "common/base/error.h"
#include "common/net/byte_stream.h"
#include "common/net/slow_reader.h"

namespace fl {

/// Reads and writes a connection that it does not own. It holds at most one request, the bytes of
/// one read after it, and the replies that are due; an idle one holds none of these.
///
/// Replies leave in the order of the requests: owe() notes one, pay() says that the oldest is due.
class AvroConnection {
 public:
  struct Settings {
    std::size_t max_request = 16 << 20;
    bool is_deflated = false;
    std::string* spare = nullptr;  ///< memory for a request (frame.h); outlives the connection
  };

  /// `known` outlives this.
  AvroConnection(ByteStream stream, std::string name, const Settings& settings,
                 KnownProtocols& known);

  /// Where the client is, for messages.
  const std::string& name() const { return name_; }

  /// One read, unless a request is whole. False: the client has sent its last byte, or the
  /// connection is broken. Class input: what came is not a request.
  Result<bool> read();
  bool at_end() const { return at_end_; }
  /// A request is here: call() reads it.
  bool has_request() const { return frame_.is_whole(); }
  /// A request has begun, and is not whole.
  bool lacks_bytes() const { return !has_request() && frame_.has_begun(); }
  std::uint32_t serial() const { return frame_.serial(); }
  /// What the request asks for; views into request().
  Result<RpcCall> call() { return session_.call(frame_.message()); }
  std::string& request() { return frame_.message(); }
  /// The request is finished: the next one may be among the bytes that came. Class input.
  Status next();
  /// Bytes of requests that it holds.
  std::size_t held() const { return frame_.size() + plain_.size() + packed_.size(); }

  /// The next request will get this reply. `text`: of an error.
  void owe(std::uint32_t serial, std::string handshake, RpcAnswer answer, std::string text = {});
  /// The oldest n replies owed are due.
  void pay(std::uint64_t n);
  std::size_t owed() const { return owed_.size(); }
  /// Writes what can be written now. False: the client is gone.
  bool write();
  bool has_unsent() const { return !out_.empty(); }
  std::size_t unsent() const { return out_.size(); }
  std::uint64_t acknowledged() const { return stream_.acknowledged(); }

  /// ended: it sends nothing more, but may wait for replies; gone: it has closed the connection, or
  /// the connection is broken. One that is closed looks `ended` until something is sent to it.
  enum class Peer { there, ended, gone };
  Peer peer() const;
  /// Sends the start of the next reply, which is known before its answer: the serial number. A
  /// client that is there gets it (has_taken_all()), one that has closed becomes `gone`. Only while
  /// a request is here.
  void begin_reply();
  /// The client's kernel has all that was sent.
  bool has_taken_all() const;
  /// begin_reply() was called: once is enough.
  bool is_asked = false;
  /// Since when it is not known what came of that.
  std::int64_t asked_ms = -1;

  /// After the replies that are owed, the connection ends.
  bool is_refused = false;
  /// Its state in the source (source.h).
  bool is_waiting = false;
  bool is_parked = false;
  /// Of held(), as the source has counted it.
  std::size_t counted = 0;
  /// Since when a request lacks bytes.
  std::int64_t since_ms = -1;
  /// Since when it has taken nothing of what is unsent.
  std::int64_t unsent_since_ms = -1;
  SlowReader reader;
  /// Bytes that came since count_arrived(). Through TLS, a record counts before it is whole.
  std::uint64_t arrived() const {
    return stream_.is_plain() ? arrived_ : stream_.packed() - packed_before_;
  }
  void count_arrived() {
    arrived_ = 0;
    packed_before_ = stream_.packed();
  }

 private:
  struct Reply {
    std::uint32_t serial = 0;
    RpcAnswer answer = RpcAnswer::ok;
    std::string handshake;
    std::string text;
  };

  Status feed();

  const ByteStream stream_;
  const std::string name_;
  RpcServerSession session_;
  RpcFrameReader frame_;
  std::optional<Inflater> inflater_;
  std::optional<Deflater> deflater_;
  std::string plain_;   // came after a whole request
  std::string packed_;  // the same, not unpacked yet
  bool at_end_ = false;
  std::uint64_t arrived_ = 0;
  std::uint64_t packed_before_ = 0;

  void send(std::string_view plain);

  std::deque<Reply> owed_;
  bool is_begun_ = false;  // the first of them, or the next one, by begin_reply()
  std::string out_;
};

}  // namespace fl
