#include "tools/fl-channel/import_flume/protobuf.h"

namespace fl {
namespace {

// Little-endian; `size` bytes are there.
std::uint64_t fixed(std::string_view bytes, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  }
  return value;
}

}  // namespace

std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<std::uint8_t>(bytes[i]);
    if (i == 9 && byte > 1) {
      break;
    }
    value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      bytes.remove_prefix(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> take_sized(std::string_view& bytes) {
  std::string_view rest = bytes;
  const std::optional<std::uint64_t> size = take_varint(rest);
  if (!size || *size > rest.size()) {
    return std::nullopt;
  }
  const std::string_view message = rest.substr(0, static_cast<std::size_t>(*size));
  rest.remove_prefix(message.size());
  bytes = rest;
  return message;
}

bool ProtoFields::next() {
  if (rest_.empty() || !ok_) {
    return false;
  }
  ok_ = false;
  const std::optional<std::uint64_t> tag = take_varint(rest_);
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > 0x1FFFFFFF) {
    return false;
  }
  number_ = static_cast<std::uint32_t>(*tag >> 3);
  wire_ = static_cast<std::uint32_t>(*tag & 7);
  value_ = 0;
  bytes_ = {};
  if (wire_ == 0) {
    const std::optional<std::uint64_t> value = take_varint(rest_);
    ok_ = value.has_value();
    value_ = value.value_or(0);
  } else if (wire_ == 1 || wire_ == 5) {
    const std::size_t size = wire_ == 1 ? 8 : 4;
    ok_ = rest_.size() >= size;
    if (ok_) {
      value_ = fixed(rest_, size);
      rest_.remove_prefix(size);
    }
  } else if (wire_ == 2) {
    const std::optional<std::string_view> bytes = take_sized(rest_);
    ok_ = bytes.has_value();
    bytes_ = bytes.value_or(std::string_view());
  }
  return ok_;
}

}  // namespace fl
