#include "common/base/random.h"

#include <sys/random.h>

#include <cstdlib>

namespace fl {

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  // Up to 256 bytes are never cut or interrupted once the kernel has its entropy.
  if (getrandom(bytes.data(), size, 0) != static_cast<ssize_t>(size)) {
    std::abort();
  }
  return bytes;
}

std::string random_hex(std::size_t size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : random_bytes(size)) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

}  // namespace fl
