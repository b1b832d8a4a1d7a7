#include "common/hadoop/block_compression.h"

#include "common/hadoop/big_endian.h"

namespace fl {

void HadoopBlockCompressor::append_block(std::string_view bytes, std::string& out) const {
  append_int32(out, static_cast<std::uint32_t>(bytes.size()));
  do {
    const std::string_view chunk = bytes.substr(0, max_chunk(format_));
    const std::size_t place = out.size();
    append_int32(out, 0);
    if (format_ == HadoopBlockFormat::snappy) {
      append_snappy_block(chunk, out);
    } else {
      append_lz4_block(chunk, out);
    }
    put_int32(out.data() + place, static_cast<std::uint32_t>(out.size() - place - 4));
    bytes.remove_prefix(chunk.size());
  } while (!bytes.empty());
}

void HadoopBlockCompressor::write(std::string_view bytes, std::string& out) {
  const std::size_t most = max_chunk(format_);
  if (!pending_.empty() && pending_.size() + bytes.size() > most) {
    const std::size_t fits = most - pending_.size();
    pending_ += bytes.substr(0, fits);
    bytes.remove_prefix(fits);
    append_block(pending_, out);
    pending_.clear();
  }
  // A length of 31 bits is what the format has.
  constexpr std::size_t kMaxBlock = 1 << 30;
  while (bytes.size() > most) {
    const std::string_view block = bytes.substr(0, kMaxBlock);
    append_block(block, out);
    bytes.remove_prefix(block.size());
  }
  pending_ += bytes;
}

void HadoopBlockCompressor::finish(std::string& out) {
  if (!pending_.empty()) {
    append_block(pending_, out);
    pending_.clear();
  }
}

}  // namespace fl
