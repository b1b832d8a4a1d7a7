#include "common/avrorpc/reply.h"

#include "common/avrorpc/frame.h"
#include "common/event/varint.h"

namespace fl {

using namespace std::string_view_literals;
using namespace std::string_literals;

void append_rpc_reply(std::string& out, std::uint32_t serial, std::string_view handshake,
                      RpcAnswer answer, std::string_view text) {
  constexpr std::string_view kNoMeta = "\0"sv;
  switch (answer) {
    case RpcAnswer::ok:
      append_frame(out, serial, {handshake, kNoMeta, "\0\0"sv});
      break;
    case RpcAnswer::failed:
      append_frame(out, serial, {handshake, kNoMeta, "\0\x02"sv});
      break;
    case RpcAnswer::error: {
      std::string error = "\x01\0"s;  // an error, and of its union the first: a string
      append_sized(error, text);
      append_frame(out, serial, {handshake, kNoMeta, error});
      break;
    }
    case RpcAnswer::nothing:
      append_frame(out, serial, {handshake});
      break;
  }
}

}  // namespace fl
