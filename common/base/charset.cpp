#include "common/base/charset.h"

#include <algorithm>
#include <cctype>

namespace fl {

Error unknown_charset(const std::string& given) {
  return {ErrorClass::config, "unknown charset '" + given + "'", "'iconv -l' lists the known ones"};
}

Result<std::string> charset_name(const std::string& given) {
  std::string name;
  for (const char c : given) {
    // Java's "ISO8859_1" is "ISO8859-1" here, "Cp1252" is "CP1252".
    name += c == '_' ? '-' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  // iconv_open() would take a suffix such as //TRANSLIT, which changes text.
  const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == ':';
  });
  if (!is_name) {
    return unknown_charset(given);
  }
  for (const char* const same : {"UTF-8", "UTF8", "US-ASCII", "ASCII"}) {
    if (name == same) {
      return std::string();
    }
  }
  return name;
}

Converter open_converter(const std::string& to, const std::string& from) {
  iconv_t const converter = ::iconv_open(to.c_str(), from.c_str());
  // It says "failed" with the pointer -1.
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return Converter(converter == reinterpret_cast<iconv_t>(-1) ? nullptr : converter);
}

}  // namespace fl
