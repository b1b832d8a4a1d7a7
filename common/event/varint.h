// Avro's zig-zag variable-length integers (Avro specification, "Binary encoding").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fl {

constexpr std::size_t kMaxVarint = 10;

/// Bytes that `value` takes.
inline std::size_t varint_size(std::int64_t value) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  std::size_t size = 1;
  while (bits >= 0x80) {
    bits >>= 7;
    ++size;
  }
  return size;
}

/// Writes `value` at `out` (room for kMaxVarint bytes) and returns the end.
inline std::uint8_t* write_varint(std::uint8_t* out, std::int64_t value) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  while (bits >= 0x80) {
    *out++ = static_cast<std::uint8_t>(bits | 0x80);
    bits >>= 7;
  }
  *out++ = static_cast<std::uint8_t>(bits);
  return out;
}

inline void append_varint(std::string& out, std::int64_t value) {
  std::uint8_t bytes[kMaxVarint];
  const std::uint8_t* const end = write_varint(bytes, value);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(end - bytes));
}

/// Appends the length and the bytes: Avro's string and bytes.
inline void append_sized(std::string& out, std::string_view bytes) {
  append_varint(out, static_cast<std::int64_t>(bytes.size()));
  out += bytes;
}

/// Reads one integer at `p`; returns the end, or nullptr where [p, end) holds no whole legal one.
/// `cut` (optional) says whether more bytes could make it legal.
inline const std::uint8_t* read_varint(const std::uint8_t* p, const std::uint8_t* end,
                                       std::int64_t& value, bool* cut = nullptr) {
  std::uint64_t bits = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (p == end) {
      if (cut != nullptr) {
        *cut = true;
      }
      return nullptr;
    }
    const std::uint8_t byte = *p++;
    if (shift == 63 && byte > 1) {
      break;
    }
    bits |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      value = static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
      return p;
    }
  }
  if (cut != nullptr) {
    *cut = false;
  }
  return nullptr;
}

}  // namespace fl
