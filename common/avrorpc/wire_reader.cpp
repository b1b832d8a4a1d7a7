#include "common/avrorpc/wire_reader.h"

#include "common/event/varint.h"

namespace fl {

std::optional<std::int64_t> WireReader::number() {
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(rest_.data());
  std::int64_t value = 0;
  const std::uint8_t* const end = read_varint(begin, begin + rest_.size(), value);
  if (end == nullptr) {
    return std::nullopt;
  }
  rest_.remove_prefix(static_cast<std::size_t>(end - begin));
  return value;
}

std::optional<bool> WireReader::boolean() {
  const auto byte = fixed(1);
  if (!byte || static_cast<unsigned char>((*byte)[0]) > 1) {
    return std::nullopt;
  }
  return (*byte)[0] == 1;
}

std::optional<std::string_view> WireReader::sized() {
  const auto size = number();
  if (!size || *size < 0) {
    return std::nullopt;
  }
  return fixed(static_cast<std::size_t>(*size));
}

std::optional<std::string_view> WireReader::fixed(std::size_t size) {
  if (size > rest_.size()) {
    return std::nullopt;
  }
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

bool WireReader::skip_map() {
  for (;;) {
    const auto count = number();
    if (!count) {
      return false;
    }
    if (*count == 0) {
      return true;
    }
    if (*count < 0) {
      if (!sized()) {  // the block's size, and its bytes
        return false;
      }
      continue;
    }
    for (std::int64_t i = 0; i < *count; ++i) {
      if (!sized() || !sized()) {
        return false;
      }
    }
  }
}

}  // namespace fl
