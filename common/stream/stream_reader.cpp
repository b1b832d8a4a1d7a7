#include "common/stream/stream_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/log.h"
#include "common/base/text.h"
#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::size_t kForeignBlock = 16 << 20;  // Flume's own blocks have about 2 MB
constexpr std::size_t kSmallestEvent = 2;        // an empty map, an empty body

Error damaged(std::string text) { return {ErrorClass::input, std::move(text), {}}; }

// ": 2000000 bytes, 1048576 are allowed" if only its body makes the event `number` of a block too
// large. Finds it again: the loop that reads blocks has no time to remember.
std::string body_size(const Block& block, std::int64_t number, EventLimits limits) {
  const std::uint32_t allowed = std::exchange(limits.body_bytes, UINT32_MAX);
  const std::uint8_t* p = block.data;
  Event event;
  const char* why = "";
  for (std::int64_t i = 0; i <= number; ++i) {
    p = scan_event(p, block.data + block.size, limits, event, why);
    if (p == nullptr) {
      return {};
    }
  }
  return event.body().size() <= allowed ? std::string()
                                        : ": " + std::to_string(event.body().size()) + " bytes, " +
                                              std::to_string(allowed) + " are allowed";
}

}  // namespace

Result<StreamReader::Item> StreamReader::next(InputBuffer& in, bool eof) {
  wanted_ = 0;
  if (in.size() == 0 && eof) {
    return Item::end;
  }
  // No block begins with the O of "Obj": as a count it would be negative.
  while (in_stream_ && (in.size() == 0 || *in.data() != static_cast<std::uint8_t>(kMagic[0]))) {
    Result<Item> item = next_block(in, eof);
    if (!item || *item != Item::block || block_.count > 0) {
      return item;
    }
    if (in.size() == 0) {  // a block without events is legal, though we never write one
      return eof ? Item::end : Item::need_more;
    }
  }
  return next_header(in, eof);
}

Result<StreamReader::Item> StreamReader::next_header(InputBuffer& in, bool eof) {
  const Result<std::size_t> size = parse_container_header(in.view(), header_);
  if (!size) {
    return size.error();
  }
  if (*size == 0) {
    if (eof) {
      was_cut_ = true;
      return damaged("the input ends inside a stream's header");
    }
    return Item::need_more;
  }
  if (Status status = check_event_schema(header_.find("avro.schema")); !status) {
    return status.error();
  }
  if (Status status = choose_codec(); !status) {
    return status.error();
  }
  in.consume(*size);
  in_stream_ = true;
  return Item::header;
}

Status StreamReader::choose_codec() {
  const std::string_view name = header_.find("avro.codec");
  const std::optional<BlockCodec> codec =
      name.data() != nullptr ? find_block_codec(name) : BlockCodec::null;  // absent means null
  if (!codec) {
    return damaged("the stream's codec '" + printable(name) +
                   "' is not known here (known: " + join(block_codec_names(), ", ") + ")");
  }
  if (*codec == codec_) {
    return {};
  }
  decompressor_.reset();
  if (*codec != BlockCodec::null) {
    Result<std::unique_ptr<BlockDecompressor>> opened = open_decompressor(*codec);
    if (!opened) {
      return opened.error();
    }
    decompressor_ = std::move(*opened);
  }
  codec_ = *codec;
  return {};
}

Result<StreamReader::Item> StreamReader::next_block(InputBuffer& in, bool eof) {
  const auto cut = [&]() -> Result<Item> {
    if (eof) {
      was_cut_ = true;
      Error error = damaged("the input ends inside a block");
      error.hint = "it was cut: what came before was read; copy it again, or run its writer again";
      return error;
    }
    return Item::need_more;
  };
  const std::uint8_t* p = in.data();
  const std::uint8_t* const end = p + in.size();
  std::int64_t count = 0;
  std::int64_t size = 0;
  bool more = false;
  const std::uint8_t* next = read_varint(p, end, count, &more);
  if (next != nullptr) {
    next = read_varint(next, end, size, &more);
  }
  if (next == nullptr) {
    return more ? cut() : Result<Item>(damaged("a block begins with an illegal number"));
  }
  const std::size_t limit = std::max<std::size_t>(
      kForeignBlock, std::size_t{limits_.body_bytes} + limits_.header_bytes + 64);
  if (count < 0 || size < 0) {
    return damaged("a block has a negative count or size");
  }
  if (static_cast<std::uint64_t>(size) > limit) {
    return damaged("a block of " + std::to_string(size) + " bytes is larger than the limit of " +
                   std::to_string(limit));
  }
  if (!decompressor_ &&
      static_cast<std::size_t>(count) > static_cast<std::size_t>(size) / kSmallestEvent) {
    return damaged("a block claims more events than its bytes can hold");
  }
  const auto head = static_cast<std::size_t>(next - p);
  const std::size_t whole = head + static_cast<std::size_t>(size) + header_.marker.size();
  if (in.size() < whole) {
    wanted_ = whole;
    return cut();
  }
  std::uint8_t* const data = in.data() + head;
  if (std::memcmp(data + size, header_.marker.data(), header_.marker.size()) != 0) {
    return damaged("a block does not end with the stream's marker");
  }
  block_ = {data, static_cast<std::size_t>(size), static_cast<std::uint64_t>(count)};
  if (decompressor_) {
    const std::string_view packed(reinterpret_cast<const char*>(data), block_.size);
    if (Status status = decompressor_->decompress(packed, limit, unpacked_); !status) {
      return status.error();
    }
    block_.data = unpacked_.data();
    block_.size = unpacked_.size();
  }
  if (block_.count > block_.size / kSmallestEvent) {
    return damaged("a block claims more events than its bytes can hold");
  }

  batch_.clear();
  const std::uint8_t* event_at = block_.data;
  const std::uint8_t* const block_end = event_at + block_.size;
  for (std::int64_t i = 0; i < count; ++i) {
    Event event;
    const char* why = "";
    event_at = scan_event(event_at, block_end, limits_, event, why);
    if (event_at == nullptr) {
      was_refused_ = true;
      return damaged("event " + std::to_string(i) + " of a block is refused: " + why +
                     body_size(block_, i, limits_));
    }
    batch_.add(event);
  }
  if (event_at != block_end) {
    return damaged("a block holds more bytes than its events");
  }
  in.consume(whole);
  return Item::block;
}

}  // namespace fl
