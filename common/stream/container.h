// The Avro object container that carries a stream (fl-stream(5)).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/event/event.h"
#include "common/stream/block_builder.h"

namespace fl {

using Marker = std::array<std::uint8_t, 16>;
/// File metadata in the order of the file.
using Metadata = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view kMagic{"Obj\1", 4};
/// The schema text that Flume's avro_event serializer writes, to the letter; never change.
inline constexpr std::string_view kEventSchema =
    R"({"type":"record","name":"Event","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]})";
inline constexpr std::string_view kKeyVersion = "fl.version";
inline constexpr std::string_view kKeyStream = "fl.stream";
inline constexpr std::string_view kKeyAck = "fl.ack";
inline constexpr std::string_view kKeyLog = "fl.log";        ///< the id of a durable log above
inline constexpr std::string_view kKeyFirst = "fl.first";    ///< of the first event in it
inline constexpr std::string_view kKeyFailed = "fl.failed";  ///< "STATUS MESSAGE" (failure.h)

/// Limits of the header: 256 KiB of schema and as much for the rest.
inline constexpr std::size_t kMaxHeaderBytes = 512 << 10;

/// 16 bytes from the kernel.
Marker random_marker();

/// Magic, metadata as one block with a positive count (some readers cannot open other forms),
/// marker.
std::string container_header(const Metadata& metadata, const Marker& marker);
/// The metadata of a stream of events with `codec` (Avro's name), plus `more`.
Metadata event_metadata(Metadata more = {}, std::string_view codec = "null");

/// Puts count, size and `marker` around the block, in the bytes around it, and returns the frame.
std::string_view frame_block(Block& block, const Marker& marker);

struct ContainerHeader {
  Metadata metadata;
  Marker marker{};
  /// Value of `key`, empty if absent; the last one counts.
  std::string_view find(std::string_view key) const;
};

/// Parses a header at the start of `bytes`. Returns its length, 0 if more bytes are needed, or an
/// error of class input. Every legal Avro form is read.
Result<std::size_t> parse_container_header(std::string_view bytes, ContainerHeader& header);

/// Ok if the schema is an event's by meaning: white space, key order, doc, namespace, aliases and
/// avro.java.string do not matter. Otherwise an error of class input with a hint how to read other
/// records.
Status check_event_schema(std::string_view json);

}  // namespace fl
