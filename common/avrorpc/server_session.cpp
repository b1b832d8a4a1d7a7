#include "common/avrorpc/server_session.h"

#include <optional>

#include "common/avrorpc/protocol.h"
#include "common/avrorpc/wire_reader.h"
#include "common/event/varint.h"

namespace fl {
namespace {

enum class Match { both = 0, client = 1, none = 2 };

struct Handshake {
  std::string_view client_hash;
  std::optional<std::string_view> client_protocol;
  std::string_view server_hash;
};

/// An optional value: the branch of a union whose first one is null. Nothing: damaged.
std::optional<bool> has_value(WireReader& reader) {
  const auto branch = reader.number();
  if (!branch || *branch < 0 || *branch > 1) {
    return std::nullopt;
  }
  return *branch == 1;
}

std::optional<Handshake> read_handshake(WireReader& reader) {
  Handshake out;
  const auto client_hash = reader.fixed(kRpcHashSize);
  if (!client_hash) {
    return std::nullopt;
  }
  out.client_hash = *client_hash;
  const auto has_protocol = has_value(reader);
  if (!has_protocol) {
    return std::nullopt;
  }
  if (*has_protocol) {
    out.client_protocol = reader.sized();
    if (!out.client_protocol) {
      return std::nullopt;
    }
  }
  const auto server_hash = reader.fixed(kRpcHashSize);
  const auto has_meta = server_hash ? has_value(reader) : std::nullopt;
  if (!has_meta || (*has_meta && !reader.skip_map())) {
    return std::nullopt;
  }
  out.server_hash = *server_hash;
  return out;
}

std::string handshake_reply(Match match) {
  std::string out;
  append_varint(out, static_cast<std::int64_t>(match));
  if (match == Match::both) {
    out += std::string_view("\0\0", 2);  // neither protocol nor hash
  } else {
    append_varint(out, 1);
    append_sized(out, kRpcProtocol);
    append_varint(out, 1);
    out += kRpcProtocolHash;
  }
  out += '\0';  // no meta
  return out;
}

Error damaged() { return {ErrorClass::input, "an Avro RPC message is damaged", {}}; }

}  // namespace

KnownProtocols::KnownProtocols() {
  hashes_.emplace(kRpcProtocolHash);
  hashes_.emplace(kFlumeProtocolHash);
}

void KnownProtocols::add(std::string_view hash) {
  if (!hashes_.emplace(hash).second) {
    return;
  }
  order_.emplace_back(hash);
  if (order_.size() > kMost) {
    hashes_.erase(order_.front());
    order_.pop_front();
  }
}

Result<RpcCall> RpcServerSession::call(std::string_view message) {
  WireReader reader(message);
  RpcCall out;
  if (!is_established_) {
    const auto handshake = read_handshake(reader);
    if (!handshake) {
      return damaged();
    }
    if (!known_.has(handshake->client_hash)) {
      if (!handshake->client_protocol) {
        out.handshake = handshake_reply(Match::none);
        return out;
      }
      if (Status status = check_rpc_protocol(*handshake->client_protocol); !status) {
        out.kind = RpcCall::Kind::refused;
        out.why = status.error().message;
      } else {
        known_.add(handshake->client_hash);
      }
    }
    const bool is_ours =
        handshake->server_hash == kRpcProtocolHash || handshake->server_hash == kFlumeProtocolHash;
    out.handshake = handshake_reply(is_ours ? Match::both : Match::client);
    is_established_ = true;
    if (out.kind == RpcCall::Kind::refused) {
      return out;
    }
  }
  if (!reader.skip_map()) {
    return damaged();
  }
  const auto method = reader.sized();
  if (!method) {
    return damaged();
  }
  out.method = *method;
  out.parameters = reader.rest();
  out.kind = method->empty()            ? RpcCall::Kind::nothing
             : *method == "append"      ? RpcCall::Kind::append
             : *method == "appendBatch" ? RpcCall::Kind::append_batch
                                        : RpcCall::Kind::unknown;
  return out;
}

}  // namespace fl
