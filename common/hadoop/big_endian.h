// Numbers as Java's DataOutput writes them.
#pragma once

#include <cstdint>
#include <string>

namespace fl {

/// Writes 4 bytes at `out`.
inline void put_int32(char* out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    *out++ = static_cast<char>(value >> shift & 0xFF);
  }
}

inline void append_int32(std::string& out, std::uint32_t value) {
  const std::size_t size = out.size();
  out.resize(size + 4);
  put_int32(out.data() + size, value);
}

inline void append_int64(std::string& out, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  append_int32(out, static_cast<std::uint32_t>(bits >> 32));
  append_int32(out, static_cast<std::uint32_t>(bits & 0xFFFFFFFF));
}

/// Hadoop's WritableUtils.writeVInt and writeVLong.
inline void append_vlong(std::string& out, std::int64_t value) {
  if (value >= -112 && value <= 127) {
    out += static_cast<char>(value);
    return;
  }
  const bool negative = value < 0;
  const auto bits = static_cast<std::uint64_t>(negative ? ~value : value);
  int bytes = 1;
  while (bytes < 8 && bits >> (8 * bytes) != 0) {
    ++bytes;
  }
  out += static_cast<char>((negative ? -120 : -112) - bytes);
  for (int i = bytes - 1; i >= 0; --i) {
    out += static_cast<char>(bits >> (8 * i) & 0xFF);
  }
}

}  // namespace fl
