#include "common/log/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>

#include "common/base/shared_library.h"

namespace fl {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78u;  // reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    }
    table[i] = value;
  }
  return table;
}

using Crc = decltype(&::crc32_iscsi);

Crc load() {
  Crc found = nullptr;
  if (Result<SharedLibrary> isal = SharedLibrary::load("libisal.so.2", "libisal2"); isal) {
    isal->find("crc32_iscsi", found);
  }
  return found;
}

constexpr std::size_t kMostAtOnce = 1u << 30;  // ISA-L takes the length as an int

}  // namespace

std::uint32_t crc32c_by_table(std::uint32_t crc, const void* bytes, std::size_t size) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_table();
  const auto* p = static_cast<const std::uint8_t*>(bytes);
  crc = ~crc;
  for (std::size_t i = 0; i < size; ++i) {
    crc = (crc >> 8) ^ kTable[(crc ^ p[i]) & 0xff];
  }
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, const void* bytes, std::size_t size) {
  static const Crc kIsal = load();
  if (kIsal == nullptr) {
    return crc32c_by_table(crc, bytes, size);
  }
  // ISA-L only reads, though its parameter is not const.
  auto* p = static_cast<unsigned char*>(const_cast<void*>(bytes));
  crc = ~crc;
  while (size > 0) {
    const std::size_t part = std::min(size, kMostAtOnce);
    crc = kIsal(p, static_cast<int>(part), crc);
    p += part;
    size -= part;
  }
  return ~crc;
}

}  // namespace fl
