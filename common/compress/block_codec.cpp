#include "common/compress/block_codec.h"

#include <array>
#include <cstring>

#include "common/compress/codec_parts.h"

namespace fl {
namespace {

struct Entry {
  BlockCodec codec;
  std::string_view name;
  int lowest = 0;  // levels; none if highest is below lowest
  int highest = -1;
  int usual = 0;
};

constexpr std::array<Entry, 6> kCodecs = {{
    {BlockCodec::null, "null"},
    {BlockCodec::deflate, "deflate", 0, 9, 6},
    {BlockCodec::snappy, "snappy"},
    {BlockCodec::bzip2, "bzip2", 1, 9, 9},
    {BlockCodec::xz, "xz", 0, 9, 6},
    {BlockCodec::zstandard, "zstandard", 1, 22, 3},
}};

const Entry& entry_of(BlockCodec codec) {
  return *std::find_if(kCodecs.begin(), kCodecs.end(),
                       [&](const Entry& entry) { return entry.codec == codec; });
}

void copy(std::string_view bytes, GapBuffer& out) {
  out.set_size(0);
  out.reserve(bytes.size());
  if (!bytes.empty()) {
    std::memcpy(out.data(), bytes.data(), bytes.size());
  }
  out.set_size(bytes.size());
}

class NullCompressor final : public BlockCompressor {
 public:
  Status compress(std::string_view block, GapBuffer& out) override {
    copy(block, out);
    return {};
  }
};

class NullDecompressor final : public BlockDecompressor {
 public:
  Status decompress(std::string_view packed, std::size_t limit, GapBuffer& out) override {
    if (packed.size() > limit) {
      return block_beyond_limit("null", limit);
    }
    copy(packed, out);
    return {};
  }
};

}  // namespace

std::optional<BlockCodec> find_block_codec(std::string_view name) {
  for (const Entry& entry : kCodecs) {
    if (entry.name == name) {
      return entry.codec;
    }
  }
  return std::nullopt;
}

std::string_view block_codec_name(BlockCodec codec) { return entry_of(codec).name; }

std::vector<std::string> block_codec_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kCodecs) {
    names.emplace_back(entry.name);
  }
  return names;
}

Error damaged_block(std::string_view codec, std::string_view why) {
  return {ErrorClass::input, "a " + std::string(codec) + " block is damaged: " + std::string(why)};
}

Error block_beyond_limit(std::string_view codec, std::size_t limit) {
  return {ErrorClass::input, "a " + std::string(codec) + " block grows beyond its limit of " +
                                 std::to_string(limit) + " bytes"};
}

Error compression_failed(std::string_view codec, std::string_view why) {
  return {ErrorClass::bug,
          "cannot compress a block with " + std::string(codec) + ": " + std::string(why)};
}

Status check_level(const CodecChoice& choice) {
  const Entry& entry = entry_of(choice.codec);
  if (!choice.level || (*choice.level >= entry.lowest && *choice.level <= entry.highest)) {
    return {};
  }
  std::string why = "the codec " + std::string(entry.name);
  if (entry.highest < entry.lowest) {
    why += " has no levels";
  } else {
    why += " has the levels " + std::to_string(entry.lowest) + " to " +
           std::to_string(entry.highest) + ", not " + std::to_string(*choice.level);
  }
  return Error{ErrorClass::usage, std::move(why)};
}

Result<std::unique_ptr<BlockCompressor>> open_compressor(const CodecChoice& choice) {
  if (Status status = check_level(choice); !status) {
    return status.error();
  }
  const int level = choice.level.value_or(entry_of(choice.codec).usual);
  switch (choice.codec) {
    case BlockCodec::null:
      return std::unique_ptr<BlockCompressor>(std::make_unique<NullCompressor>());
    case BlockCodec::deflate:
      return open_deflate_compressor(level);
    case BlockCodec::snappy:
      return open_snappy_compressor();
    case BlockCodec::bzip2:
      return open_bzip2_compressor(level);
    case BlockCodec::xz:
      return open_xz_compressor(level);
    case BlockCodec::zstandard:
      return open_zstandard_compressor(level);
  }
  return Error{ErrorClass::bug, "no such codec"};
}

Result<std::unique_ptr<BlockDecompressor>> open_decompressor(BlockCodec codec) {
  switch (codec) {
    case BlockCodec::null:
      return std::unique_ptr<BlockDecompressor>(std::make_unique<NullDecompressor>());
    case BlockCodec::deflate:
      return open_deflate_decompressor();
    case BlockCodec::snappy:
      return open_snappy_decompressor();
    case BlockCodec::bzip2:
      return open_bzip2_decompressor();
    case BlockCodec::xz:
      return open_xz_decompressor();
    case BlockCodec::zstandard:
      return open_zstandard_decompressor();
  }
  return Error{ErrorClass::bug, "no such codec"};
}

}  // namespace fl
