// Small operations on text that several layers need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fl {

/// Length of the valid UTF-8 sequence at the start of `text` (1 to 4), 0 if there is none.
std::size_t utf8_length(std::string_view text);

/// `text` as a JSON string, quotes included. Invalid UTF-8 becomes U+FFFD.
std::string json_quoted(std::string_view text);

std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// "1 event", "2 events".
std::string count_of(std::uint64_t n, std::string_view what);

/// Breaks `text` at blanks into lines of at most `width` characters. "\n" in it stays a break; one
/// word longer than the width stays whole.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

}  // namespace fl
