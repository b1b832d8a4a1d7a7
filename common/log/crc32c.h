// CRC32C (Castagnoli), as iSCSI, ext4 and LevelDB use it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fl {

/// The checksum of `size` more bytes after those whose checksum is `crc` (0: none before).
/// ISA-L computes it, loaded at the first call; where it cannot be loaded, a table does, slowly.
std::uint32_t crc32c(std::uint32_t crc, const void* bytes, std::size_t size);

/// The same without ISA-L.
std::uint32_t crc32c_by_table(std::uint32_t crc, const void* bytes, std::size_t size);

/// What is stored instead of a checksum (as in LevelDB): bytes that hold checksums, or zeros, then
/// do not check as themselves.
constexpr std::uint32_t masked_crc(std::uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

}  // namespace fl
