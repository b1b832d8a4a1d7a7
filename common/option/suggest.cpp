#include "common/option/suggest.h"

#include <algorithm>
#include <cctype>

namespace fl {
namespace {

// A longer word is not a typing mistake, and the distance costs the square of its length.
constexpr std::size_t kLongestWord = 64;

std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '-' && c != '_' && c != '.') {
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last = std::move(last);
    last = std::move(row);
    row.assign(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string wanted = folded(word);
  if (wanted.empty() || wanted.size() > kLongestWord) {
    return {};
  }
  std::string best;
  std::size_t best_distance = wanted.size() / 3 + 2;
  for (const std::string& candidate : candidates) {
    const std::string known = folded(candidate);
    std::size_t d = distance(wanted, known);
    if (d >= std::max(wanted.size(), known.size())) {
      continue;  // no letter in common
    }
    // A word that was cut short, or one of several words.
    if (wanted.size() >= 3 && known.find(wanted) != std::string::npos) {
      d = std::min<std::size_t>(d, 1);
    }
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates,
                         std::string_view before) {
  const std::string found = nearest(word, candidates);
  if (found.empty()) {
    return {};
  }
  return ": did you mean '" + std::string(before) + found + "'?";
}

}  // namespace fl
