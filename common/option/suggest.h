// "did you mean": the nearest known word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fl {

/// The candidate nearest to `word` by insertions, deletions, replacements and swaps of neighbours,
/// case and dashes ignored; empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// ": did you mean '<before><nearest>'?", or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         std::string_view before = "");

}  // namespace fl
