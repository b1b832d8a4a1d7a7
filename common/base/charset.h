// Encodings of text by the names that iconv(3) and Java give them.
#pragma once

#include <iconv.h>

#include <memory>
#include <string>
#include <type_traits>

#include "common/base/error.h"

namespace fl {

struct CloseConverter {
  void operator()(iconv_t converter) const { ::iconv_close(converter); }
};
/// A conversion of iconv(3).
using Converter = std::unique_ptr<std::remove_pointer_t<iconv_t>, CloseConverter>;

/// iconv's name of an encoding that is given by it or by one of Java's (UTF8, ISO8859_1, Cp1252,
/// UTF_16LE), in any case; empty for UTF-8 and US-ASCII, in which nothing is to be converted. Class
/// config: the system knows no such encoding.
Result<std::string> charset_name(const std::string& given);

/// Null if the system does not know one of the encodings, named as charset_name() does.
Converter open_converter(const std::string& to, const std::string& from);

/// Class config: the system does not know this encoding.
Error unknown_charset(const std::string& given);

}  // namespace fl
