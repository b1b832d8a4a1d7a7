#include "tools/fl-source/charset.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <utility>

namespace fl {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Java's names that iconv spells otherwise: "ISO8859_1" is "ISO8859-1", "Cp1252" is "CP1252".
std::string iconv_name(const std::string& name) {
  std::string out;
  for (const char c : name) {
    out += c == '_' ? '-' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

bool is_name(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
  });
}

Error unknown(const std::string& name) {
  return {ErrorClass::config, "unknown encoding '" + name + "'", "iconv -l lists the names"};
}

}  // namespace

Result<Charset> Charset::open(const std::string& name) {
  if (!is_name(name)) {  // iconv_open would take "//IGNORE" behind a name
    return unknown(name);
  }
  const std::string known = iconv_name(name);
  for (const char* const same : {"UTF-8", "UTF8", "US-ASCII", "ASCII"}) {
    if (known == same) {
      return Charset(kNone);
    }
  }
  const iconv_t converter = iconv_open("UTF-8", known.c_str());
  if (converter == kNone) {
    return unknown(name);
  }
  Charset charset(converter);
  std::string newline;
  if (charset.append_utf8(newline, "\n") != 0 || newline != "\n") {
    return Error{ErrorClass::config,
                 "cannot use the encoding '" + name + "': a newline is not the byte 10 there",
                 "let iconv(1) turn the text into UTF-8 first"};
  }
  return charset;
}

Charset::Charset(Charset&& other) noexcept : converter_(std::exchange(other.converter_, kNone)) {}

Charset::~Charset() {
  if (converter_ != kNone) {
    iconv_close(converter_);
  }
}

std::size_t Charset::append_utf8(std::string& out, std::string_view text) {
  if (passes()) {
    out += text;
    return 0;
  }
  std::size_t malformed = 0;
  iconv(converter_, nullptr, nullptr, nullptr, nullptr);  // no state of the line before
  // iconv does not write through its input.
  char* in = const_cast<char*>(text.data());
  std::size_t left = text.size();
  std::array<char, 4096> buffer;
  const auto convert = [&](char** from, std::size_t* count) {
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t done = iconv(converter_, from, count, &to, &room);
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
