// Random names and markers, from the kernel.
#pragma once

#include <sys/random.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace fl {

inline std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  // Up to 256 bytes are never cut or interrupted once the kernel has its entropy.
  if (getrandom(bytes.data(), size, 0) != static_cast<ssize_t>(size)) {
    std::abort();
  }
  return bytes;
}

inline std::string random_bytes16() { return random_bytes(16); }

/// 64 random bits as 16 lower-case hex digits.
inline std::string random_hex64() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : random_bytes(8)) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace fl
