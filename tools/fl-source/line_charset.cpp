#include "tools/fl-source/line_charset.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace fl {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

/// `text` in the encoding `name`; empty if that cannot be.
std::string encoded(const std::string& name, std::string_view text) {
  const Converter converter = open_converter(name, "UTF-8");
  if (converter == nullptr) {
    return {};
  }
  std::array<char, 64> buffer;
  char* in = const_cast<char*>(text.data());  // iconv(3) only reads there
  std::size_t left = text.size();
  char* to = buffer.data();
  std::size_t room = buffer.size();
  if (iconv(converter.get(), &in, &left, &to, &room) == static_cast<std::size_t>(-1)) {
    return {};
  }
  return {buffer.data(), buffer.size() - room};
}

/// The unit in which `name` has a newline; 0 bytes: it is not the character 10 there.
CodeUnit unit_of(const std::string& name) {
  const std::string one = encoded(name, "\n");
  const std::string two = encoded(name, "\n\n");  // UTF-16 puts a mark before the first one
  const std::size_t bytes = two.size() - one.size();
  if (one.empty() || two.size() <= one.size() || (bytes != 1 && bytes != 2 && bytes != 4)) {
    return {0, false};
  }
  const std::string newline = two.substr(one.size());
  for (const bool is_little : {false, true}) {
    std::string expected(bytes, '\0');
    expected[is_little ? 0 : bytes - 1] = '\n';
    if (newline == expected) {
      return {bytes, bytes > 1 && is_little};
    }
  }
  return {0, false};
}

}  // namespace

Result<LineCharset> LineCharset::open(const std::string& name) {
  const Result<std::string> known = charset_name(name);
  if (!known) {
    return known.error();
  }
  LineCharset charset;
  if (known->empty()) {
    return charset;
  }
  if (*known == "UTF-16" || *known == "UTF-32") {
    charset.big_ = open_converter("UTF-8", *known + "BE");
    charset.little_ = open_converter("UTF-8", *known + "LE");
    charset.unit_ = {*known == "UTF-16" ? 2u : 4u, false};
    return charset.big_ != nullptr && charset.little_ != nullptr
               ? Result<LineCharset>(std::move(charset))
               : unknown_charset(name);
  }
  charset.big_ = open_converter("UTF-8", *known);
  charset.unit_ = unit_of(*known);
  if (charset.passes()) {
    return unknown_charset(name);
  }
  if (charset.unit_.bytes == 0) {
    return Error{ErrorClass::config,
                 "cannot use the encoding '" + name +
                     "': its newline is not the character 10, so lines cannot be separated",
                 "convert the text to UTF-8 first, for example with iconv(1)"};
  }
  return charset;
}

std::size_t LineCharset::append_utf8(std::string& out, std::string_view text, CodeUnit unit) {
  if (passes()) {
    out += text;
    return 0;
  }
  iconv_t const converter = has_mark() && unit.is_little ? little_.get() : big_.get();
  std::size_t malformed = 0;
  iconv(converter, nullptr, nullptr, nullptr, nullptr);  // no state of the line before
  char* in = const_cast<char*>(text.data());             // iconv(3) only reads there
  std::size_t left = text.size();
  std::array<char, 4096> buffer;
  const auto convert = [&](char** from, std::size_t* count) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t done = iconv(converter, from, count, &to, &room);
    const int number = done == static_cast<std::size_t>(-1) ? errno : 0;
    out.append(buffer.data(), buffer.size() - room);
    return number;
  };
  while (left > 0) {
    const int number = convert(&in, &left);
    if (number == EILSEQ || number == EINVAL) {
      out += kReplacement;
      const std::size_t skipped = std::min(unit.bytes, left);
      malformed += skipped;
      in += skipped;
      left -= skipped;
    }
  }
  convert(nullptr, nullptr);  // what a stateful encoding holds back
  return malformed;
}

}  // namespace fl
