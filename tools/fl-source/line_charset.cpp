#include "tools/fl-source/line_charset.h"

#include <array>
#include <cerrno>

namespace fl {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

}  // namespace

Result<LineCharset> LineCharset::open(const std::string& name) {
  const Result<std::string> known = charset_name(name);
  if (!known) {
    return known.error();
  }
  if (known->empty()) {
    return LineCharset(nullptr);
  }
  LineCharset charset(open_converter("UTF-8", *known));
  if (charset.passes()) {
    return unknown_charset(name);
  }
  std::string newline;
  if (charset.append_utf8(newline, "\n") != 0 || newline != "\n") {
    return Error{ErrorClass::config,
                 "cannot use the encoding '" + name + "': a newline is not the byte 10 there",
                 "let iconv(1) turn the text into UTF-8 first"};
  }
  return charset;
}

std::size_t LineCharset::append_utf8(std::string& out, std::string_view text) {
  if (passes()) {
    out += text;
    return 0;
  }
  std::size_t malformed = 0;
  iconv(converter_.get(), nullptr, nullptr, nullptr, nullptr);  // no state of the line before
  // iconv does not write through its input.
  char* in = const_cast<char*>(text.data());
  std::size_t left = text.size();
  std::array<char, 4096> buffer;
  const auto convert = [&](char** from, std::size_t* count) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t done = iconv(converter_.get(), from, count, &to, &room);
    const int number = done == static_cast<std::size_t>(-1) ? errno : 0;
    out.append(buffer.data(), buffer.size() - room);
    return number;
  };
  while (left > 0) {
    const int number = convert(&in, &left);
    if (number == EILSEQ || number == EINVAL) {
      out += kReplacement;
      ++malformed;
      ++in;
      --left;
    }
  }
  convert(nullptr, nullptr);  // what a stateful encoding holds back
  return malformed;
}

}  // namespace fl
