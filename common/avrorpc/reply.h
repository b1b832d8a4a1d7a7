// The reply to a call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fl {

enum class RpcAnswer {
  ok,
  failed,   ///< none of its events was taken; the client tries again
  error,    ///< an error with a text
  nothing,  ///< the handshake alone
};

/// Appends a whole message, cut into buffers as Java does it. `handshake`: as RpcCall has it;
/// `text`: of an error.
void append_rpc_reply(std::string& out, std::uint32_t serial, std::string_view handshake,
                      RpcAnswer answer, std::string_view text = {});

}  // namespace fl
