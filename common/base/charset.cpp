#include "common/base/charset.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace fl {
namespace {

struct Alias {
  std::string_view name;        // in capitals, with dashes
  std::string_view iconv_name;  // empty: nothing is to be converted
};

/// Names of Java that iconv(3) does not know or uses for something else, and spellings of those
/// that the program treats specially.
constexpr Alias kAliases[] = {
    {"UTF-8", ""},
    {"UTF8", ""},
    {"UNICODE-1-1-UTF-8", ""},
    {"US-ASCII", ""},
    {"ASCII", ""},
    {"ASCII7", ""},
    {"ISO646-US", ""},
    {"ANSI-X3.4-1968", ""},
    {"ANSI-X3.4-1986", ""},
    {"ISO-646.IRV:1991", ""},
    {"646", ""},
    {"UTF16", "UTF-16"},
    {"UNICODE", "UTF-16"},
    {"UNICODEBIG", "UTF-16"},
    {"UTF16BE", "UTF-16BE"},
    {"UNICODEBIGUNMARKED", "UTF-16BE"},
    {"ISO-10646-UCS-2", "UTF-16BE"},
    {"UTF16LE", "UTF-16LE"},
    {"UNICODELITTLE", "UTF-16LE"},
    {"UNICODELITTLEUNMARKED", "UTF-16LE"},
    {"UTF32", "UTF-32"},
    {"UTF32BE", "UTF-32BE"},
    {"UTF32LE", "UTF-32LE"},
};

}  // namespace

Error unknown_charset(const std::string& given) {
  return {ErrorClass::config, "unknown charset '" + given + "'", "'iconv -l' lists the known ones"};
}

Result<std::string> charset_name(const std::string& given) {
  std::string name;
  for (const char c : given) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  // iconv_open() would take a suffix such as //TRANSLIT, which changes text.
  const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == ':';
  });
  if (!is_name) {
    return unknown_charset(given);
  }
  // Java's "ISO8859_1" is "ISO8859-1" for iconv(3), but "SHIFT_JIS" has its underscore for both.
  std::string dashed = name;
  std::replace(dashed.begin(), dashed.end(), '_', '-');
  for (const std::string& spelling : {dashed, name}) {
    const std::string bare = spelling.rfind("X-", 0) == 0 ? spelling.substr(2) : spelling;
    for (const Alias& alias : kAliases) {
      if (bare == alias.name) {
        return std::string(alias.iconv_name);
      }
    }
    for (const std::string& candidate : {spelling, bare}) {
      if (open_converter("UTF-8", candidate) != nullptr) {
        return candidate;
      }
    }
  }
  return unknown_charset(given);
}

Converter open_converter(const std::string& to, const std::string& from) {
  iconv_t const converter = ::iconv_open(to.c_str(), from.c_str());
  // It reports failure with the pointer -1. NOLINTNEXTLINE(performance-no-int-to-ptr)
  return Converter(converter == reinterpret_cast<iconv_t>(-1) ? nullptr : converter);
}

}  // namespace fl
