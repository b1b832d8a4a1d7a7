// The bytes of a stream as a stage writes them, for readers under test.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "common/stream/block_builder.h"
#include "common/stream/container.h"

namespace fl::test {

inline constexpr Marker kMarker{1, 2, 3, 4};

inline std::string stream_header(Metadata more = {}) {
  return container_header(event_metadata(std::move(more)), kMarker);
}

/// One block of events whose bodies are the numbers from `from` up to but not including `to`.
inline std::string stream_block(std::uint64_t from, std::uint64_t to) {
  BlockBuilder builder;
  for (std::uint64_t i = from; i < to; ++i) {
    builder.add({}, std::to_string(i));
  }
  Block block = builder.block();
  return std::string(frame_block(block, kMarker));
}

}  // namespace fl::test
