#include "common/stream/stream_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "common/base/log.h"
#include "common/event/varint.h"

namespace fl {
namespace {

constexpr std::size_t kForeignBlock = 16 << 20;  // Flume's own blocks have about 2 MB
constexpr std::size_t kInflated = 64 << 20;
constexpr std::size_t kFreeRatio = 1 << 20;  // up to here any ratio
constexpr std::size_t kRatio = 200;

Error damaged(std::string text) { return {ErrorClass::input, std::move(text), {}}; }

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
      return damaged("the input ends inside a stream's header");
    }
    return Item::need_more;
  }
  if (Status status = check_event_schema(header_.find("avro.schema")); !status) {
    return status.error();
  }
  const std::string_view codec = header_.find("avro.codec");
  deflate_ = codec == "deflate";
  if (!deflate_ && codec.data() != nullptr && codec != "null") {  // absent means null
    return damaged("the stream's codec '" + printable(codec) +
                   "' is not known here (known: null, deflate)");
  }
  in.consume(*size);
  in_stream_ = true;
  return Item::header;
}

Result<StreamReader::Item> StreamReader::next_block(InputBuffer& in, bool eof) {
  const auto cut = [&]() -> Result<Item> {
    if (eof) {
      return damaged("the input ends inside a block");
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
  // An event has at least two bytes; behind a codec the scan below finds the truth.
  if (!deflate_ && count > size / 2) {
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
  if (deflate_) {
    if (Status status = inflate_block({reinterpret_cast<const char*>(data), block_.size});
        !status) {
      return status.error();
    }
  }

  batch_.clear();
  const std::uint8_t* event_at = block_.data;
  const std::uint8_t* const block_end = event_at + block_.size;
  for (std::int64_t i = 0; i < count; ++i) {
    Event event;
    const char* why = "";
    event_at = scan_event(event_at, block_end, limits_, event, why);
    if (event_at == nullptr) {
      return damaged("event " + std::to_string(i) + " of a block is refused: " + why);
    }
    batch_.add(event);
  }
  if (event_at != block_end) {
    return damaged("a block holds more bytes than its events");
  }
  in.consume(whole);
  return Item::block;
}

Status StreamReader::inflate_block(std::string_view packed) {
  z_stream z{};
  if (inflateInit2(&z, -15) != Z_OK) {  // Avro: raw deflate, no zlib header
    return Error{ErrorClass::bug, "cannot start zlib", {}};
  }
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  const std::size_t cap = std::min(kInflated, std::max(kFreeRatio, packed.size() * kRatio));
  std::size_t size = 0;
  int code = Z_OK;
  while (code == Z_OK && size <= cap) {
    if (inflated_capacity_ < Block::kBefore + size + Block::kAfter + 1) {
      const std::size_t capacity = std::max<std::size_t>(256 << 10, inflated_capacity_ * 2);
      auto memory = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
      if (size != 0) {
        std::memcpy(memory.get() + Block::kBefore, inflated_.get() + Block::kBefore, size);
      }
      inflated_ = std::move(memory);
      inflated_capacity_ = capacity;
    }
    z.next_out = inflated_.get() + Block::kBefore + size;
    const std::size_t room = inflated_capacity_ - Block::kBefore - Block::kAfter - size;
    z.avail_out = static_cast<uInt>(room);
    code = inflate(&z, Z_NO_FLUSH);
    size += room - z.avail_out;
  }
  inflateEnd(&z);
  if (size > cap) {
    return damaged("a deflated block grows beyond its limit");
  }
  // Python's avro leaves up to four bytes of zlib's checksum behind the data.
  if (code != Z_STREAM_END || z.avail_in > 4) {
    return damaged("a deflated block is damaged");
  }
  block_.data = inflated_.get() + Block::kBefore;
  block_.size = size;
  return {};
}

}  // namespace fl
