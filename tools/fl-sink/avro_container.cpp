#include "tools/fl-sink/avro_container.h"

#include <array>
#include <new>
#include <utility>

#include "common/base/random.h"
#include "common/base/text.h"
#include "common/event/varint.h"

namespace fl {

void append_avro_long(std::string& out, std::int64_t value) {
  std::array<std::uint8_t, kMaxVarint> bytes;
  const std::uint8_t* const end = write_varint(bytes.data(), value);
  out.append(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::size_t>(end - bytes.data()));
}

void append_avro_bytes(std::string& out, std::string_view bytes) {
  append_avro_long(out, static_cast<std::int64_t>(bytes.size()));
  out += bytes;
}

Result<std::shared_ptr<AvroPacker>> AvroPacker::make(std::string_view codec) {
  const auto found = find_block_codec(codec);
  if (!found) {
    return Error{ErrorClass::config, "unknown codec '" + std::string(codec) + "' of Avro files",
                 "known: " + join(block_codec_names(), ", ")};
  }
  std::shared_ptr<AvroPacker> packer(new AvroPacker(*found));
  if (*found != BlockCodec::null) {
    Result<std::unique_ptr<BlockCompressor>> opened = open_compressor({*found});
    if (!opened) {
      return opened.error();
    }
    packer->compressor_ = std::move(*opened);
  }
  return packer;
}

std::string_view AvroPacker::pack(std::string_view block) {
  if (compressor_ == nullptr) {
    return block;
  }
  if (!compressor_->compress(block, packed_)) {
    throw std::bad_alloc();
  }
  return packed_.view();
}

AvroContainer::AvroContainer(std::shared_ptr<AvroPacker> packer, std::string_view schema,
                             std::size_t interval)
    : packer_(std::move(packer)), schema_(schema), interval_(interval) {}

void AvroContainer::begin(std::string& out) {
  marker_ = random_bytes(16);
  out += "Obj\1";
  append_avro_long(out, 2);
  append_avro_bytes(out, "avro.schema");
  append_avro_bytes(out, schema_);
  append_avro_bytes(out, "avro.codec");
  append_avro_bytes(out, packer_->codec());
  append_avro_long(out, 0);
  out += marker_;
}

void AvroContainer::flush(std::string& out) {
  if (count_ == 0) {
    return;
  }
  append_avro_long(out, count_);
  append_avro_bytes(out, packer_->pack(block_));
  out += marker_;
  count_ = 0;
  block_.clear();
}

}  // namespace fl
