// The three encodings of Flume's JSONHandler, decoded and encoded as Java does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fl {

enum class JavaCharset { utf8, utf16, utf32 };

/// A Java string in memory is UTF-8 here, in which a surrogate without its partner has three bytes
/// of its own (ED A0 80 to ED BF BF): only an escape of JSON can make one.

/// `bytes` as such text. What is malformed becomes U+FFFD. A byte order mark of UTF-16 and UTF-32
/// decides and is dropped; without one the order is big-endian.
std::string java_decoded(JavaCharset charset, std::string_view bytes);
/// ISO-8859-1 as such text: nothing is malformed.
std::string latin1_decoded(std::string_view bytes);
/// The same as java_decoded() for UTF-8.
std::string java_utf8(std::string_view bytes);

/// Appends one UTF-16 unit to such text; a low surrogate joins the high one that ends it.
void append_java_char(std::string& text, std::uint32_t unit);

/// Such text in the encoding: UTF-16 with a byte order mark, UTF-32 without, both big-endian. A
/// lone surrogate is '?' in UTF-8, else U+FFFD.
std::string java_encoded(JavaCharset charset, std::string_view text);

}  // namespace fl
