#include "tools/fl-source/http/java_charset.h"

#include <cstddef>

#include "common/base/text.h"

namespace fl {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

bool is_high(std::uint32_t code) { return code >= 0xD800 && code <= 0xDBFF; }
bool is_low(std::uint32_t code) { return code >= 0xDC00 && code <= 0xDFFF; }

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

// Surrogates, too.
void append_code(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const auto add = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  const auto more = [&](int shift) { add(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x800) {
    add(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12);
    more(6);
  } else {
    add(0xF0 | code >> 18);
    more(12);
    more(6);
  }
  more(0);
}

// The code at `i` of text that append_code() could have written, and the step to the next.
std::uint32_t code_at(std::string_view text, std::size_t i, std::size_t& length) {
  const std::uint32_t first = byte_at(text, i);
  length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  std::uint32_t code = length == 1 ? first : first & (0xFFu >> (length + 1));
  for (std::size_t k = 1; k < length; ++k) {
    code = code << 6 | (byte_at(text, i + k) & 0x3Fu);
  }
  return code;
}

// How many bytes of a malformed sequence at the start of `text` are replaced together: those that a
// valid one could begin with, as Java's decoder does.
std::size_t malformed_length(std::string_view text) {
  const std::uint32_t first = byte_at(text, 0);
  if (first < 0xC2 || first > 0xF4) {
    return 1;
  }
  const std::size_t wanted = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  std::uint32_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  std::uint32_t most = first == 0xF4 ? 0x8F : 0xBF;  // a surrogate (ED A0 80) is one fault
  std::size_t length = 1;
  while (length < wanted && length < text.size() && byte_at(text, length) >= least &&
         byte_at(text, length) <= most) {
    ++length;
    least = 0x80;
    most = 0xBF;
  }
  return length;
}

std::string decoded_utf16(std::string_view bytes) {
  bool is_little = false;
  if (bytes.starts_with("\xFE\xFF") || bytes.starts_with("\xFF\xFE")) {
    is_little = bytes[0] == '\xFF';
    bytes.remove_prefix(2);
  }
  const auto unit = [&](std::size_t i) -> std::uint32_t {
    const std::uint32_t a = byte_at(bytes, i);
    const std::uint32_t b = byte_at(bytes, i + 1);
    return is_little ? b << 8 | a : a << 8 | b;
  };
  std::string out;
  out.reserve(bytes.size());
  std::size_t i = 0;
  for (; i + 2 <= bytes.size(); i += 2) {
    std::uint32_t code = unit(i);
    if (is_high(code) && i + 4 <= bytes.size() && is_low(unit(i + 2))) {
      code = 0x10000 + ((code - 0xD800) << 10) + (unit(i + 2) - 0xDC00);
      i += 2;
    } else if (is_high(code)) {
      i += i + 4 <= bytes.size() ? 2u : 0u;  // replaced together with what is in its place
      code = kReplacement;
    } else if (is_low(code)) {
      code = kReplacement;
    }
    append_code(out, code);
  }
  if (i < bytes.size()) {
    append_code(out, kReplacement);
  }
  return out;
}

std::string decoded_utf32(std::string_view bytes) {
  using namespace std::string_view_literals;
  bool is_little = false;
  if (bytes.starts_with("\0\0\xFE\xFF"sv) || bytes.starts_with("\xFF\xFE\0\0"sv)) {
    is_little = bytes[0] == '\xFF';
    bytes.remove_prefix(4);
  }
  std::string out;
  out.reserve(bytes.size() / 2);
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t code = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      code = code << 8 | byte_at(bytes, is_little ? i + 3 - k : i + k);
    }
    append_code(out, code > 0x10FFFF || is_high(code) || is_low(code) ? kReplacement : code);
  }
  if (i < bytes.size()) {
    append_code(out, kReplacement);
  }
  return out;
}

void append_big_endian(std::string& out, std::uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xFF);
  }
}

}  // namespace

std::string latin1_decoded(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 8);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    append_code(text, byte_at(bytes, i));
  }
  return text;
}

std::string java_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    if (length > 0) {
      out += bytes.substr(0, length);
      bytes.remove_prefix(length);
    } else {
      append_code(out, kReplacement);
      bytes.remove_prefix(malformed_length(bytes));
    }
  }
  return out;
}

std::string java_decoded(JavaCharset charset, std::string_view bytes) {
  switch (charset) {
    case JavaCharset::utf8:
      return java_utf8(bytes);
    case JavaCharset::utf16:
      return decoded_utf16(bytes);
    case JavaCharset::utf32:
      return decoded_utf32(bytes);
  }
  return {};
}

void append_java_char(std::string& text, std::uint32_t unit) {
  if (is_low(unit) && text.size() >= 3) {
    const std::size_t at = text.size() - 3;
    std::size_t length = 0;
    const std::uint32_t before =
        byte_at(text, at) == 0xED ? code_at(text, at, length) : std::uint32_t{0};
    if (is_high(before)) {
      text.resize(at);
      append_code(text, 0x10000 + ((before - 0xD800) << 10) + (unit - 0xDC00));
      return;
    }
  }
  append_code(text, unit);
}

std::string java_encoded(JavaCharset charset, std::string_view text) {
  std::string out;
  const bool is_utf8 = charset == JavaCharset::utf8;
  out.reserve(is_utf8 ? text.size() : 4 * text.size() + 2);
  if (charset == JavaCharset::utf16 && !text.empty()) {
    out += "\xFE\xFF";
  }
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size(); i += length) {
    std::uint32_t code = code_at(text, i, length);
    const bool is_lone = is_high(code) || is_low(code);
    if (is_utf8) {
      is_lone ? out += '?' : out += text.substr(i, length);
      continue;
    }
    code = is_lone ? kReplacement : code;
    if (charset == JavaCharset::utf32) {
      append_big_endian(out, code, 4);
    } else if (code < 0x10000) {
      append_big_endian(out, code, 2);
    } else {
      append_big_endian(out, 0xD800 + ((code - 0x10000) >> 10), 2);
      append_big_endian(out, 0xDC00 + ((code - 0x10000) & 0x3FF), 2);
    }
  }
  return out;
}

}  // namespace fl
