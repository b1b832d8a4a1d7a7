// A short name for a long text.
#pragma once

#include <cstdint>
#include <string_view>

namespace fl {

/// FNV-1a. Never change: position files and schema files are named by it.
inline std::uint64_t fingerprint(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char letter : text) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211U;
  }
  return hash;
}

}  // namespace fl
