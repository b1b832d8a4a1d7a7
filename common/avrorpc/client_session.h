// The client's half of a connection: the start of each request, and what a reply says.
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// The outcome of a request.
struct RpcOutcome {
  enum class Kind {
    ok,
    failed,  ///< the server has taken none of its events
    error,   ///< the server could not run it: `text`
    again,   ///< the server did not know our protocol, and nothing was run: send it again
  };
  Kind kind = Kind::ok;
  std::string text = {};
};

class RpcClientSession {
 public:
  /// What precedes the parameters of appendBatch.
  std::string head() const;
  /// Class input: what came is not a reply to that.
  Result<RpcOutcome> reply(std::string_view message);

 private:
  bool is_established_ = false;
  bool sends_protocol_ = false;
  std::string server_hash_;  // empty: not said
};

}  // namespace fl
