// Java's spelling of a regular expression in PCRE2's, where they differ.
#pragma once

#include <string>
#include <string_view>

#include "common/base/error.h"

namespace fl {

/// `pattern` as PCRE2 reads it; what both spell alike stays as it is. Source: the class comment of
/// java.util.regex.Pattern (JDK 17). Translated: \uXXXX, \0 octal, \p{Alpha} and its kin (ASCII in
/// Java), \p{IsX}, the flag u and, for `characters` (PCRE2_UTF), the line ends that a dot does not
/// match. Refused with an error of class usage, because PCRE2 would read another meaning: && and
/// [ ] inside [ ], the flags d and U.
Result<std::string> pcre2_pattern(std::string_view pattern, bool characters);

}  // namespace fl
