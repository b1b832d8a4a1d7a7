// The server's half of a connection: the handshake, and what each message asks for.
#pragma once

#include <cstddef>
#include <deque>
#include <set>
#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// The protocols of clients (as MD5) of which the text is known, so that the next connection of
/// such a client needs no second round. Bounded: the oldest goes.
class KnownProtocols {
 public:
  static constexpr std::size_t kMost = 1024;
  KnownProtocols();
  bool has(std::string_view hash) const { return hashes_.contains(hash); }
  void add(std::string_view hash);

 private:
  std::set<std::string, std::less<>> hashes_;
  std::deque<std::string> order_;
};

/// One message of a client. Views are into the message.
struct RpcCall {
  enum class Kind {
    append,        ///< `parameters` is an event
    append_batch,  ///< `parameters` is an array of events
    nothing,       ///< the handshake alone: a ping, or the client must send its protocol first
    unknown,       ///< another method
    refused,       ///< the client's protocol is not ours: nothing that it sends can be read
  };
  Kind kind = Kind::nothing;
  std::string handshake = {};  ///< the start of the reply
  std::string_view method = {};
  std::string_view parameters = {};
  std::string why = {};  ///< refused
};

class RpcServerSession {
 public:
  /// `known` outlives it.
  explicit RpcServerSession(KnownProtocols& known) : known_(known) {}

  /// Class input: the message is damaged, and the connection cannot go on.
  Result<RpcCall> call(std::string_view message);

 private:
  KnownProtocols& known_;
  bool is_established_ = false;
};

}  // namespace fl
