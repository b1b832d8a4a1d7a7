#include "common/avrorpc/client_session.h"

#include <optional>

#include "common/avrorpc/protocol.h"
#include "common/avrorpc/wire_reader.h"
#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::size_t kMostText = 1000;

Error not_a_reply() {
  return {ErrorClass::input, "its answer is not that of an avro source",
          "does something else listen there, or does only one side compress or use TLS?"};
}

struct Answered {
  std::int64_t match = 0;
  std::string server_hash;
};

/// Whether a value follows: the branch of a union whose first one is null.
std::optional<bool> has_value(WireReader& reader) {
  const auto branch = reader.number();
  if (!branch || *branch < 0 || *branch > 1) {
    return std::nullopt;
  }
  return *branch == 1;
}

std::optional<Answered> read_handshake(WireReader& reader) {
  Answered out;
  const auto match = reader.number();
  if (!match || *match < 0 || *match > 2) {
    return std::nullopt;
  }
  out.match = *match;
  const auto has_protocol = has_value(reader);
  if (!has_protocol || (*has_protocol && !reader.sized())) {
    return std::nullopt;
  }
  const auto has_hash = has_value(reader);
  if (!has_hash) {
    return std::nullopt;
  }
  if (*has_hash) {
    const auto hash = reader.fixed(kRpcHashSize);
    if (!hash) {
      return std::nullopt;
    }
    out.server_hash = *hash;
  }
  const auto has_meta = has_value(reader);
  if (!has_meta || (*has_meta && !reader.skip_map())) {
    return std::nullopt;
  }
  return out;
}

}  // namespace

std::string RpcClientSession::head() const {
  std::string out;
  if (!is_established_) {
    // A server that knows neither text nor MD5 asks for the text.
    out += sends_protocol_ ? kRpcProtocolHash : kFlumeProtocolHash;
    append_varint(out, sends_protocol_ ? 1 : 0);
    if (sends_protocol_) {
      append_sized(out, kRpcProtocol);
    }
    out += server_hash_.empty() ? kFlumeProtocolHash : std::string_view(server_hash_);
    out += '\0';  // no meta
  }
  out += '\0';  // no meta
  append_sized(out, "appendBatch");
  return out;
}

Result<RpcOutcome> RpcClientSession::reply(std::string_view message) {
  WireReader reader(message);
  if (!is_established_) {
    constexpr std::int64_t kNone = 2;
    const auto answered = read_handshake(reader);
    if (!answered) {
      return not_a_reply();
    }
    if (answered->match == kNone) {
      if (sends_protocol_ || answered->server_hash.empty()) {
        return Error{ErrorClass::config, "it does not take our protocol, AvroSourceProtocol", {}};
      }
      sends_protocol_ = true;
      server_hash_ = answered->server_hash;
      return RpcOutcome{RpcOutcome::Kind::again};
    }
    is_established_ = true;
  }
  const auto is_error = reader.skip_map() ? reader.boolean() : std::nullopt;
  const auto word = is_error ? reader.number() : std::nullopt;
  if (!word) {
    return not_a_reply();
  }
  if (*is_error) {
    const auto text = *word == 0 ? reader.sized() : std::nullopt;
    if (!text) {
      return not_a_reply();
    }
    return RpcOutcome{RpcOutcome::Kind::error, std::string(text->substr(0, kMostText))};
  }
  return RpcOutcome{*word == 0 ? RpcOutcome::Kind::ok : RpcOutcome::Kind::failed};
}

}  // namespace fl
