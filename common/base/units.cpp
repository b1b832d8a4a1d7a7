#include "common/base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

namespace fl {
namespace {

// Wide enough for 2^64 times a fraction of nine digits.
__extension__ using Wide = unsigned __int128;

constexpr std::size_t kFractionDigits = 9;
constexpr std::uint64_t kFractionScale = 1'000'000'000;
// A century: sums with the clock stay far from overflow.
constexpr std::uint64_t kLongestMs = 36'500ULL * 24 * 3600 * 1000;

struct Unit {
  std::string_view name;
  std::uint64_t size;
};

constexpr std::uint64_t kKi = 1024;
constexpr std::uint64_t kKilo = 1000;

// Compared in lower case. The binary ones end in "ib" where they are printed.
constexpr std::array<Unit, 18> kByteUnits = {{
    {"", 1},
    {"b", 1},
    {"k", kKi},
    {"kib", kKi},
    {"kb", kKilo},
    {"m", kKi* kKi},
    {"mib", kKi* kKi},
    {"mb", kKilo* kKilo},
    {"g", kKi* kKi* kKi},
    {"gib", kKi* kKi* kKi},
    {"gb", kKilo* kKilo* kKilo},
    {"t", kKi* kKi* kKi* kKi},
    {"tib", kKi* kKi* kKi* kKi},
    {"tb", kKilo* kKilo* kKilo* kKilo},
    {"p", kKi* kKi* kKi* kKi* kKi},
    {"pib", kKi* kKi* kKi* kKi* kKi},
    {"pb", kKilo* kKilo* kKilo* kKilo* kKilo},
    {"e", kKi* kKi* kKi* kKi* kKi* kKi},
}};

constexpr std::array<Unit, 11> kTimeUnits = {{
    {"", 1000},
    {"ms", 1},
    {"s", 1000},
    {"sec", 1000},
    {"m", 60'000},
    {"min", 60'000},
    {"h", 3'600'000},
    {"hour", 3'600'000},
    {"d", 86'400'000},
    {"day", 86'400'000},
    {"w", 7 * 86'400'000ULL},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "<digits>[.<digits>]<unit>" as a whole number of the smallest unit, rounded down; false: not one.
template <std::size_t N>
bool parse_amount(std::string_view text, const std::array<Unit, N>& units, std::uint64_t max,
                  std::uint64_t& out) {
  Wide whole = 0;
  std::size_t i = 0;
  while (i < text.size() && is_digit(text[i])) {
    whole = whole * 10 + static_cast<unsigned>(text[i] - '0');
    if (whole > std::numeric_limits<std::uint64_t>::max()) {
      return false;
    }
    ++i;
  }
  if (i == 0) {
    return false;
  }
  std::uint64_t fraction = 0;
  const bool has_fraction = i < text.size() && text[i] == '.';
  if (has_fraction) {
    const std::size_t start = ++i;
    std::uint64_t place = kFractionScale;
    while (i < text.size() && is_digit(text[i])) {
      place /= 10;
      fraction += place * static_cast<unsigned>(text[i] - '0');
      ++i;
    }
    if (i == start || i - start > kFractionDigits) {
      return false;
    }
  }
  if (i < text.size() && text[i] == ' ') {
    ++i;
  }
  std::string suffix(text.substr(i));
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == suffix; });
  if (unit == units.end() || (has_fraction && unit->size == 1)) {
    return false;
  }
  if (whole > max / unit->size) {
    return false;
  }
  const Wide total = whole * unit->size + Wide{fraction} * unit->size / kFractionScale;
  if (total > max) {
    return false;
  }
  out = static_cast<std::uint64_t>(total);
  return true;
}

std::string with_unit(std::uint64_t value, std::string_view unit) {
  return fmt::format("{}{}", value, unit);
}

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  Bytes bytes;
  if (!parse_amount(text, kByteUnits, std::numeric_limits<std::int64_t>::max(), bytes.value)) {
    return Error{ErrorClass::usage,
                 fmt::format("'{}' is not a size such as 4096, 64K, 1MiB or 1.5G", text)};
  }
  return bytes;
}

Result<Duration> parse_duration(std::string_view text) {
  std::uint64_t ms = 0;
  if (!parse_amount(text, kTimeUnits, kLongestMs, ms)) {
    return Error{ErrorClass::usage,
                 fmt::format("'{}' is not a time such as 500ms, 10s, 5m or 24h", text)};
  }
  return Duration{static_cast<std::int64_t>(ms)};
}

Result<std::uint64_t> parse_count(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = static_cast<unsigned>(c - '0');
    if (!is_digit(c) || digit > max || value > (max - digit) / 10) {
      return Error{ErrorClass::usage,
                   max == UINT64_MAX
                       ? fmt::format("'{}' is not a whole number", text)
                       : fmt::format("'{}' is not a whole number up to {}", text, max)};
    }
    value = value * 10 + digit;
  }
  if (text.empty()) {
    return Error{ErrorClass::usage, "'' is not a whole number"};
  }
  return value;
}

std::string to_string(Bytes bytes) {
  std::string best = with_unit(bytes.value, "");
  std::uint64_t binary = 1;
  std::uint64_t decimal = 1;
  for (const char letter : {'K', 'M', 'G', 'T', 'P'}) {
    binary *= kKi;
    decimal *= kKilo;
    for (const auto& [size, suffix] : {std::pair(binary, "iB"), std::pair(decimal, "B")}) {
      if (bytes.value >= size && bytes.value % size == 0) {
        std::string text = with_unit(bytes.value / size, std::string(1, letter) + suffix);
        const auto digits = [](const std::string& s) {
          return std::count_if(s.begin(), s.end(), is_digit);
        };
        if (digits(text) < digits(best)) {
          best = std::move(text);
        }
      }
    }
  }
  return best;
}

std::string to_string(Duration duration) {
  if (duration.ms == 0) {
    return "0s";
  }
  constexpr std::array<std::pair<std::int64_t, std::string_view>, 4> kUnits = {
      {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1000, "s"}}};
  for (const auto& [ms, name] : kUnits) {
    if (duration.ms % ms == 0) {
      return fmt::format("{}{}", duration.ms / ms, name);
    }
  }
  return fmt::format("{}ms", duration.ms);
}

std::string human_bytes(double bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                      "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  // 999.5 would print as 1000, four digits.
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= static_cast<double>(kKi);
    ++unit;
  }
  if (unit == 0) {
    return fmt::format("{:.0f} B", bytes);
  }
  const int decimals = bytes < 9.995 ? 2 : bytes < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", bytes, decimals, kUnits[unit]);
}

}  // namespace fl
