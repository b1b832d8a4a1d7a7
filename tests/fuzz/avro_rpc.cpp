// The bytes of a client as requests of Avro RPC, and as replies: whatever comes in whatever pieces,
// memory is bounded, pieces do not matter, and what is taken for an event is one. Input: a byte
// whose bits choose what is read and the size of the pieces, then the bytes.
#include <string>
#include <string_view>

#include "common/avrorpc/call_events.h"
#include "common/avrorpc/client_session.h"
#include "common/avrorpc/frame.h"
#include "common/avrorpc/reply.h"
#include "common/avrorpc/server_session.h"
#include "common/avrorpc/zlib_stream.h"
#include "tests/fuzz/check.h"

namespace {

using fl::fuzz::check;

constexpr std::size_t kMaxMessage = 64 << 10;

// All that a server makes of the bytes, as text to compare.
class Server {
 public:
  // False: the connection is over.
  bool take(std::string_view bytes) {
    for (;;) {
      const auto taken = frames_.take(bytes);
      if (!taken) {
        check(!taken.error().message.empty(), "an error says why");
        return end("frame");
      }
      bytes.remove_prefix(*taken);
      check(frames_.size() <= kMaxMessage, "a message is bounded");
      if (!frames_.is_whole()) {
        check(bytes.empty(), "all is taken");
        return true;
      }
      const auto call = session_.call(frames_.message());
      if (!call) {
        return end("call");
      }
      serve(*call);
      frames_.next();
    }
  }
  std::string seen;

 private:
  bool end(const char* why) {
    seen += why;
    return false;
  }

  void serve(const fl::RpcCall& call) {
    fl::RpcAnswer answer = fl::RpcAnswer::error;
    const bool is_batch = call.kind == fl::RpcCall::Kind::append_batch;
    if (is_batch || call.kind == fl::RpcCall::Kind::append) {
      fl::CallEvents events(call.parameters, is_batch, limits_);
      const auto count = events.count();
      if (count) {
        std::uint64_t n = 0;
        while (const fl::Event* event = events.next()) {
          fl::Event again;
          const char* why = "";
          check(fl::scan_event(event->data, event->data + event->size, limits_, again, why) ==
                    event->data + event->size,
                "it is an event");
          ++n;
        }
        check(n == *count, "as many as were counted");
        answer = fl::RpcAnswer::ok;
      }
    }
    fl::append_rpc_reply(seen, frames_.serial(), call.handshake, answer, "text");
  }

  fl::KnownProtocols known_;
  fl::RpcServerSession session_{known_};
  fl::RpcFrameReader frames_{kMaxMessage};
  fl::EventLimits limits_;
};

std::string served(std::string_view bytes, std::size_t step) {
  Server server;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    if (!server.take(piece)) {
      break;
    }
  }
  return server.seen;
}

void unpack(std::string_view packed) {
  fl::Inflater inflater;
  char piece[512];
  std::size_t total = 0;
  while (total < (1 << 20)) {
    const auto size = inflater.take(packed, piece, sizeof piece);
    if (!size || *size == 0) {
      break;
    }
    total += *size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] & 3) {
    case 0: {
      fl::RpcClientSession session;
      for (int i = 0; i < 2; ++i) {
        if (!session.reply(bytes)) {
          break;
        }
      }
      break;
    }
    case 1:
      unpack(bytes);
      break;
    default:
      check(served(bytes, 1u + (data[0] >> 2)) == served(bytes, bytes.size()),
            "pieces do not matter");
  }
  return 0;
}
