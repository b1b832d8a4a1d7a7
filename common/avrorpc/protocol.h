// The protocol that Flume's avro source and sink speak, and a check of a peer's own protocol.
#pragma once

#include <string_view>

#include "common/base/error.h"

namespace fl {

/// AvroSourceProtocol as JSON, and its MD5 (16 bytes). Flume's own text differs from build to build
/// in comments, and so does its MD5.
extern const std::string_view kRpcProtocol;
extern const std::string_view kRpcProtocolHash;
/// The MD5 of the text of Flume 1.11.0, which means the same: a server of that version then needs
/// no second round.
extern const std::string_view kFlumeProtocolHash;

constexpr std::size_t kRpcHashSize = 16;

/// Whether events of a peer with this protocol (JSON) look like ours: the record AvroFlumeEvent
/// holds a map of strings, then bytes. Class input if not.
Status check_rpc_protocol(std::string_view text);

}  // namespace fl
