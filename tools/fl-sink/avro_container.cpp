#include "tools/fl-sink/avro_container.h"

#include <new>
#include <utility>

#include "common/base/text.h"
#include "common/event/varint.h"

namespace fl {

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
  marker_ = random_marker();
  out += container_header(
      {{"avro.schema", std::string(schema_)}, {"avro.codec", std::string(packer_->codec())}},
      marker_);
}

void AvroContainer::flush(std::string& out) {
  if (count_ == 0) {
    return;
  }
  append_varint(out, count_);
  append_sized(out, packer_->pack(block_));
  out.append(reinterpret_cast<const char*>(marker_.data()), marker_.size());
  count_ = 0;
  block_.clear();
}

}  // namespace fl
