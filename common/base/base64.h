// Base64, RFC 4648.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fl {

enum class Base64 {
  standard,  ///< + and /, padded with =
  url,       ///< - and _, without padding
};

void append_base64(std::string& out, std::string_view bytes, Base64 form = Base64::standard);
std::string base64(std::string_view bytes, Base64 form = Base64::standard);
/// The bytes. Nothing unless it is exactly what append_base64() writes in the standard form.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace fl
