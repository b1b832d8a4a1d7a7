#include "common/base/base64.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace fl {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(64);
  for (std::size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<std::uint8_t>(kDigits[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

}  // namespace

void append_base64(std::string& out, std::string_view bytes, Base64 form) {
  const std::string_view digits = form == Base64::url ? kUrlDigits : kDigits;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j) {
      word = word << 8 | (j < count ? static_cast<std::uint8_t>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      if (j <= count) {
        out += digits[word >> (18 - 6 * j) & 63];
      } else if (form == Base64::standard) {
        out += '=';
      }
    }
  }
}

std::string base64(std::string_view bytes, Base64 form) {
  std::string out;
  append_base64(out, bytes, form);
  return out;
}

std::optional<std::string> base64_decoded(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool is_last = i + 4 == text.size();
    const std::size_t digits = is_last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2u : 3u) : 4u;
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::uint8_t value = j < digits ? kValues[static_cast<std::uint8_t>(text[i + j])] : 0;
      if (value == 64) {
        return std::nullopt;
      }
      word = word << 6 | value;
    }
    if ((word & ((1u << (8 * (4 - digits))) - 1)) != 0) {
      return std::nullopt;  // bits that no byte holds
    }
    for (std::size_t j = 0; j + 1 < digits; ++j) {
      out += static_cast<char>(word >> (16 - 8 * j) & 0xFF);
    }
  }
  return out;
}

}  // namespace fl
